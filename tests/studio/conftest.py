"""A real Chromium that has the studio open, signed in by the link that `inv studio` prints.

All files share one checkout, one workspace and one open page: test_page.py tells the story, the others go on with what
it left, or make the two deployments that they need.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from browsing import until
from house import House, build

from local import launch
from ops.project import Project

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE_MS = 60_000


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A checkout that all of these tests share."""
    made = build(tmp_path_factory.mktemp("house") / "checkout")
    yield made
    launch.stop(made.root / ".workspace")


@pytest.fixture(scope="module")
def project(house: House) -> Project:
    """The checkout's project in this process: to read back what the page did. Its environment goes with the module."""
    return Project(house.settings(), house.root)


@pytest.fixture(scope="session")
def both(page: Page, house: House) -> None:
    """Both colours are there, the newer one has some of the traffic, and so both buttons can be pressed."""
    if not page.evaluate("document.querySelector('#place').textContent").startswith("flight"):
        for words in (("train-dev",), ("train-prod", "--yes"), ("deploy",), ("deploy", "--slot", "green", "--force")):
            done = house.inv(*words)
            assert done.returncode == 0, done.stdout + done.stderr
    done = house.inv("shift", "--green", "25")
    assert done.returncode == 0, done.stdout + done.stderr
    page.evaluate("location.hash = '#/endpoint'")
    until(page, "() => document.querySelector('.split .bar')?.textContent.includes('green 25 %')")


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The system's Chromium."""
    from playwright.sync_api import sync_playwright

    program = next(filter(None, map(shutil.which, NAMES)), None)
    assert program, "no chromium here: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def page(chromium: Browser, house: House) -> Iterator[Page]:
    """The page, signed in; at the end nothing may have gone wrong in it, and nothing been kept from running."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    context.set_default_timeout(PATIENCE_MS)
    found = context.new_page()
    faults: list[str] = []
    found.on("pageerror", lambda error: faults.append(str(error)))
    found.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    found.on("dialog", lambda dialog: faults.append(f"a script ran: {dialog.message}"))
    done = house.inv("studio", "--no-open")
    assert done.returncode == 0, done.stderr
    found.goto(done.stdout.splitlines()[-1])
    found.wait_for_selector("#tabs a")
    yield found
    context.close()
    # Chromium says so when an answer is no success, as one that a test asks for.
    assert [fault for fault in faults if "Failed to load resource" not in fault] == []
