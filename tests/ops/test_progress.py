"""The line that stays in place: for a person only, on one row, and gone at the end."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from ops import console, progress


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """A terminal of 60 columns that somebody watches."""
    written = io.StringIO()
    monkeypatch.setattr(console, "watched", lambda: True)
    monkeypatch.setattr(console, "screen", lambda: Console(file=written, force_terminal=True, width=60))
    return written


def test_nobody_is_shown_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """In a log there is no such line, and whoever waits need not look for something to put there."""
    with progress.spinner("job calm_plum") as now:
        assert now is None
    assert capsys.readouterr().out == ""


def test_it_says_what_how_long_and_what_was_said_last(screen: io.StringIO) -> None:
    """One row, whatever the log's line holds; at the end it is taken away and the cursor is back."""
    with progress.spinner("job calm_plum") as now:
        assert now is not None
        now("Running  read 12,085 rows\n" + "x" * 500)
    drawn = re.sub(r"\033\[[0-9;]*m", "", screen.getvalue())
    assert re.search(r"job calm_plum  \d+\.\d s  Running read 12,085 rows", drawn)
    assert max(len(re.sub(r"\033\[[?0-9;]*[A-Za-z]", "", line)) for line in re.split(r"[\r\n]", drawn)) <= 60
    assert drawn.endswith("\033[2K")
    assert "\033[?25h" in drawn


def test_an_error_takes_the_line_away_too(screen: io.StringIO) -> None:
    """The message that follows stands alone."""
    with pytest.raises(ValueError, match="broken"), progress.spinner("deployment blue"):
        raise ValueError("broken")
    assert "\033[?25h" in screen.getvalue()
