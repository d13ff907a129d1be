"""The docs site needs nothing from elsewhere: its diagrams are pictures, and what it loads is its own."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
from pages import ROOT

CHART = "```mermaid\nflowchart LR\n  a --> b\n```\n"


def script(name: str) -> Any:
    """Return a script of docs/ as a module; one of them has the name of a module of the standard library."""
    specification = importlib.util.spec_from_file_location(f"docs_{name}", ROOT / f"docs/{name}.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Any:
    """docs/site.py, which finds docs/diagrams.py beside it."""
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    return script("site")


def test_every_diagram_has_its_pictures_and_no_picture_is_left_over() -> None:
    """Who changes a diagram draws it anew: python docs/diagrams.py."""
    diagrams = script("diagrams")
    wanted = {diagrams.picture(source, theme) for source in diagrams.sources() for theme in diagrams.THEMES}
    assert wanted == {file.name for file in diagrams.KEPT.iterdir()}
    assert len(wanted) == 2 * len(diagrams.sources()) > 0


def test_pictures_stand_where_the_diagrams_stood(site: Any) -> None:
    """One for each theme; no block is left for a script to draw."""
    text = site.with_pictures(ROOT / "docs/flow.md")
    assert "```mermaid" not in text
    assert text.count(".svg#only-light)") == text.count(".svg#only-dark)") == 1


def test_a_diagram_that_was_not_drawn_fails_the_build(site: Any, tmp_path: Path) -> None:
    """It would be missing on the site."""
    page = tmp_path / "new.md"
    page.write_text(CHART)
    with pytest.raises(SystemExit, match=r"new\.md: a diagram has no picture"):
        site.with_pictures(page)


@pytest.mark.parametrize(
    "text",
    [
        '<script src="https://cdn.example/a.js"></script>',
        '<link rel="stylesheet" href="//fonts.example/css">',
        "<img src=http://example.com/badge.svg>",
        "<style>@import 'https://fonts.example/css';</style>",
        "<p style=\"background: url('https://example.com/a.png')\">",
        '<pre class="mermaid"><code>flowchart LR</code></pre>',
        '<iframe src="https://example.com"></iframe>',
    ],
)
def test_what_would_be_loaded_from_elsewhere_is_found(site: Any, tmp_path: Path, text: str) -> None:
    """Scripts, styles, fonts, pictures, frames, and a diagram that needs a script."""
    (tmp_path / "page.html").write_text(f"<html>{text}</html>")
    assert len(list(site.outside(tmp_path))) == 1


def test_a_link_is_only_followed(site: Any, tmp_path: Path) -> None:
    """It loads nothing by itself; neither does the site's own file."""
    (tmp_path / "page.html").write_text('<a href="https://example.com">there</a><script src="assets/a.js"></script>')
    assert list(site.outside(tmp_path)) == []
