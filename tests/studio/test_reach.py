"""The studio for everybody: by keyboard alone, in both themes, on a phone, and with nothing that axe finds serious."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from browsing import VIEWS, found_by_axe, go, until

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("both")]
WIDTHS = {"desktop": {"width": 1280, "height": 900}, "phone": {"width": 390, "height": 844}}
FOCUS = "document.activeElement"


@pytest.fixture(params=["light", "dark"])
def theme(page: Page, request: pytest.FixtureRequest) -> Iterator[str]:
    """The system's theme."""
    page.emulate_media(color_scheme=request.param, reduced_motion="reduce")
    yield request.param
    page.emulate_media(color_scheme="light", reduced_motion="reduce")


@pytest.fixture(params=WIDTHS)
def width(page: Page, request: pytest.FixtureRequest) -> Iterator[str]:
    """A desktop's window, and a phone's."""
    page.set_viewport_size(WIDTHS[request.param])  # type: ignore[arg-type]
    yield request.param
    page.set_viewport_size(WIDTHS["desktop"])  # type: ignore[arg-type]


def test_no_view_shuts_anybody_out(page: Page, theme: str, width: str) -> None:
    """Each view, with its details open, and the page of one job."""
    found = []
    for view in VIEWS:
        go(page, view)
        page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
        found += found_by_axe(page, view)
    page.click("ul.jobs a >> nth=-1")
    page.wait_for_selector("h1 .badge")
    assert found + found_by_axe(page, "a job") == []


def test_no_dialog_does(page: Page, theme: str, width: str) -> None:
    """The question how much to shift, what it would do, and what a rollback would do."""
    go(page, "endpoint")
    page.click("button[data-key=shift]")
    found = found_by_axe(page, "shift")
    page.click("dialog .quick button:has-text('50 %')")
    page.click("dialog button.primary")
    page.wait_for_selector("dialog #confirm")
    found += found_by_axe(page, "shift, to confirm")
    page.keyboard.press("Escape")
    page.click("button[data-key=back]")
    page.wait_for_selector("dialog[open] #confirm")
    found += found_by_axe(page, "roll back, to confirm")
    page.keyboard.press("Escape")
    assert found == []


def test_the_theme_is_the_systems_until_another_is_chosen(page: Page) -> None:
    """The choice is remembered when the page is loaded again; going back to the system's follows the system again."""
    dark = "() => getComputedStyle(document.body).backgroundColor === 'rgb(13, 17, 23)'"
    page.emulate_media(color_scheme="light")
    go(page, "endpoint")
    assert not page.evaluate(dark)
    page.emulate_media(color_scheme="dark")
    until(page, dark)
    page.emulate_media(color_scheme="light")
    page.click("#theme")
    until(page, dark)
    page.reload()
    page.wait_for_selector("main .view h1")
    assert page.evaluate(dark)
    assert page.get_attribute("#theme", "aria-label") == "Light theme"
    page.click("#theme")
    page.emulate_media(color_scheme="dark")
    until(page, dark)
    page.emulate_media(color_scheme="light")
    until(page, f"() => !({dark})()")


def test_a_change_of_theme_leaves_all_as_it_was(page: Page) -> None:
    """What was opened stays open; only the charts are drawn anew, in the other colours."""
    go(page, "endpoint")
    page.click("summary[data-key=about-blue]")
    canvas = page.query_selector(".chart canvas")
    page.click("#theme")
    until(page, "(old) => !old.isConnected && document.querySelectorAll('.chart canvas').length === 3", canvas)
    assert page.evaluate("document.querySelector('.card[data-slot=blue] details').open")
    page.click("#theme")


def reached(page: Page) -> list[str]:
    """Press Tab from the top until the page is left, and return what had the focus, each seen to have it."""
    page.focus("a.skip")
    names = ["Skip to the content"]
    for _ in range(60):
        page.keyboard.press("Tab")
        name = page.evaluate(f"{FOCUS}.dataset.key ?? {FOCUS}.id ?? ''") or page.evaluate(f"{FOCUS}.textContent.trim()")
        if page.evaluate(f"{FOCUS} === document.body"):
            break
        assert page.evaluate(f"{FOCUS}.matches(':focus-visible')"), name
        assert page.evaluate(f"parseFloat(getComputedStyle({FOCUS}).outlineWidth)") > 0, name
        names.append(str(name))
    return names


def test_everything_is_reached_by_tab(page: Page) -> None:
    """In the order of the page, and one sees where one is."""
    go(page, "endpoint")
    names = reached(page)
    first = [
        "Skip to the content",
        "Studio",
        "Endpoint",
        "Rollout",
        "Test",
        "Models",
        "Jobs",
        "theme",
        "out",
        "address",
    ]
    assert names[: len(first)] == first
    assert {"shift", "back", "about-blue", "log-blue", "about-green", "log-green"} <= set(names)
    go(page, "test")
    assert {"body", "send", "Copy as cURL", "Copy as Python"} <= set(reached(page))


def test_a_whole_shift_by_keyboard(page: Page) -> None:
    """Tab, arrows, Enter; Escape leaves it; afterwards the focus is where it was, though the page was drawn anew."""
    go(page, "endpoint")
    page.focus("button[data-key=shift]")
    page.keyboard.press("Enter")
    page.wait_for_selector("dialog[open] #percent:focus")
    page.keyboard.press("Escape")
    until(page, f"() => {FOCUS}.dataset.key === 'shift'")
    page.keyboard.press("Enter")
    page.wait_for_selector("dialog[open] #percent:focus")
    page.keyboard.press("ArrowRight")
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate(f"{FOCUS}.textContent") == "Continue":
            break
    page.keyboard.press("Enter")
    page.wait_for_selector("dialog #confirm:focus")
    page.keyboard.press("Enter")
    page.wait_for_selector(".split .bar:has-text('green 26 %')")
    page.wait_for_selector("dialog:not([open])", state="attached")
    until(page, f"() => {FOCUS}.dataset.key === 'shift'")


def test_views_are_changed_by_keyboard(page: Page) -> None:
    """Enter on a tab shows it, and says which one is shown; the skip link leads past them."""
    go(page, "endpoint")
    page.focus("#tabs a >> nth=3")
    page.keyboard.press("Enter")
    page.wait_for_selector("table.compare, .empty")
    assert page.inner_text("#tabs a[aria-current=page]") == "Models"
    page.focus("a.skip")
    page.keyboard.press("Enter")
    until(page, f"() => {FOCUS}.id === 'main'")
    assert page.inner_text("#tabs a[aria-current=page]") == "Models"
