"""The docs site in a real browser: it asks nobody else for anything, and a phone scrolls it in one direction."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from house import ROOT

pytestmark = pytest.mark.slow
BUILT = ROOT / "outputs/site/html"


@pytest.fixture(scope="module")
def built() -> list[str]:
    """Build the site as nox -s docs does, and return its pages."""
    for words in (["docs/site.py"], ["-m", "zensical", "build", "--strict", "--clean"]):
        done = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    return [file.as_uri() for file in sorted(BUILT.rglob("*.html"))]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_pages_are_whole_by_themselves(chromium: Any, built: list[str], theme: str, width: int) -> None:
    """No request leaves, no picture is missing, one diagram of the two is shown, nothing is wider than the window."""
    context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=theme)
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    faults = []
    for address in built:
        page.goto(address)
        page.wait_for_load_state("networkidle")
        faults += page.evaluate(
            """() => {
                const seen = [...document.images].filter((each) => getComputedStyle(each).display !== 'none');
                const broken = seen.filter((each) => each.complete && !each.naturalWidth).map((each) => each.src);
                const twice = seen.filter((each) => each.src.includes('diagrams/')).length > 1 ? ['two diagrams'] : [];
                const over = document.documentElement.scrollWidth - innerWidth;
                return [...broken, ...twice, ...(over > 0 ? [`${location.pathname} is ${over} px too wide`] : [])];
            }"""
        )
    context.close()
    assert faults == []
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
