"""The look of the reports is the studio's, in both themes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ops import page

STUDIO = (Path(__file__).parents[2] / "src/local/studio/page/style.css").read_text()
SHARED = ("ink", "dim", "paper", "line", "accent", "harm", "safety", "good", "bad", "held")


def colours(block: str) -> dict[str, str]:
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_reports_and_studio_have_the_same_colours(theme: str) -> None:
    """Whoever goes from one to the other stays in the same house."""
    at = ("@media (prefers-color-scheme: dark)", "@media print")
    ours = page.STYLE.split(at[0])[1].split(at[1])[0] if theme == "dark" else page.STYLE.split(at[0])[0]
    theirs = STUDIO.split(at[0])[1].split(':root[data-theme="dark"]')[0] if theme == "dark" else STUDIO.split(at[0])[0]
    assert {name: colours(ours)[name] for name in SHARED} == {name: colours(theirs)[name] for name in SHARED}


def test_a_page_on_paper_is_dark_on_white() -> None:
    """Whatever theme the reader's machine has."""
    printed = colours(page.STYLE.split("@media print")[1])
    assert (printed["ink"], printed["paper"]) == ("#000000", "#ffffff")
