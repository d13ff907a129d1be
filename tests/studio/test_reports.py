"""The reports in a real browser: for everybody to read, and on paper whatever theme the reader's machine has."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from browsing import found_by_axe
from house import House

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("both")]
# What is wider than the sheet would be cut, and what is no table and no list has no second page to go on.
ON_PAPER = """() => {
    const colour = (name) => getComputedStyle(document.body)[name];
    const cut = [...document.querySelectorAll('table, svg, img, figure, pre')]
        .filter((each) => each.getBoundingClientRect().right > document.body.getBoundingClientRect().right + 1);
    const inverted = [...document.images].filter((each) => getComputedStyle(each).filter !== 'none');
    return [colour('color'), colour('backgroundColor'), cut.length, inverted.length];
}"""


@pytest.fixture(scope="module")
def reports(house: House) -> list[Path]:
    """The newest report of a job, and that of a rollout where the story had one."""
    folders = [house.root / "outputs/jobs", house.root / "outputs/rollouts"]
    return [sorted(folder.glob("*.html"))[-1] for folder in folders if folder.exists()]


@pytest.fixture
def sheet(chromium: Any) -> Iterator[Page]:
    """A browser that has nothing to do with the studio."""
    context = chromium.new_context()
    yield context.new_page()
    context.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_everybody_reads_them(sheet: Page, reports: list[Path], theme: str, width: int) -> None:
    """axe finds nothing serious, a phone scrolls in one direction, and no request leaves the page."""
    asked: list[str] = []
    sheet.on("request", lambda request: asked.append(request.url))
    sheet.set_viewport_size({"width": width, "height": 900})
    sheet.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
    for report in reports:
        sheet.goto(report.as_uri())
        assert found_by_axe(sheet, report.name) == []
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []


def test_on_paper_they_are_dark_on_white_and_whole(sheet: Page, reports: list[Path]) -> None:
    """Also where the reader's machine is dark: nothing is cut at the side of an A4 sheet, plots are not inverted."""
    sheet.set_viewport_size({"width": 680, "height": 1000})  # A4 less its margins, at 96 pixels an inch
    sheet.emulate_media(media="print", color_scheme="dark")
    for report in reports:
        sheet.goto(report.as_uri())
        assert sheet.evaluate(ON_PAPER) == ["rgb(0, 0, 0)", "rgb(255, 255, 255)", 0, 0]
        assert sheet.pdf(format="A4").startswith(b"%PDF")
