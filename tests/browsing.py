"""How the tests of the studio go about in its page."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

VIEWS = ("endpoint", "rollout", "test", "models", "jobs")
PATIENCE_SECONDS = 60


def until(page: Page, condition: str, argument: object = None) -> None:
    """Wait for what a function says of the page. Playwright's own way needs eval, which the page's policy refuses."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not page.evaluate(condition, argument):
        assert time.monotonic() < deadline, f"it did not come true in time: {condition}"
        page.wait_for_timeout(50)


def go(page: Page, view: str) -> None:
    """Go to a view, and wait until it is there."""
    page.evaluate("view => { location.hash = `#/${view}`; }", view)
    # The heading of the view before is a heading too.
    page.wait_for_selector(f'a[href="#/{view.split("/")[0]}"][aria-current=page]', state="attached")
    page.wait_for_selector("main .view h1")


def found_by_axe(page: Page, where: str) -> list[tuple[str, str, list[str]]]:
    """Return what is serious here, and by how much the page scrolls sideways."""
    from axe_playwright_python.sync_playwright import Axe

    # Colours that are still fading would be judged as they are in between.
    until(page, "() => document.getAnimations().every((each) => each.playState !== 'running')")
    found = [
        (where, violation["id"], [node["html"][:160] for node in violation["nodes"]][:3])
        for violation in Axe().run(page).response["violations"]
        if violation["impact"] in ("serious", "critical")
    ]
    over = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    return found + ([(where, "scrolls sideways", [f"by {over} px"])] if over > 0 else [])
