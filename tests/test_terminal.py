"""What a terminal shows, in a real one: a line that moves, a screen that is drawn again, and none of it in CI."""

from __future__ import annotations

import os
import pty
import re
import select
import sys
import time

import pytest
from house import House, environment

PATIENCE = 300
CONTROL = re.compile(rb"\033\[")
UP = b"\033[1A"  # the cursor, one row up: something is drawn again


def terminal(house: House, *words: str, until: bytes | None = None, **variables: str) -> tuple[int, bytes]:
    """Run `inv` in a terminal; press Ctrl-C once `until` has been drawn. Return the exit code and what was drawn."""
    pid, screen = pty.fork()
    if pid == 0:
        os.chdir(house.root)
        given = environment({"TERM": "xterm-256color", "COLUMNS": "100", "LINES": "40", **variables})
        if "CI" not in variables:
            given.pop("CI", None)
        os.execve(sys.executable, [sys.executable, "-m", "invoke", *words], given)
    drawn, deadline, pressed = b"", time.monotonic() + PATIENCE, False
    while time.monotonic() < deadline:
        if not select.select([screen], [], [], 1)[0]:
            continue
        try:
            drawn += os.read(screen, 65536)
        except OSError:  # the other end is closed
            break
        if until is not None and not pressed and until in drawn:
            os.write(screen, b"\x03")
            pressed = True
    os.close(screen)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), drawn


@pytest.mark.slow
@pytest.mark.timeout(PATIENCE + 60)
def test_a_job_shows_its_time_and_the_last_line_of_its_log(house: House) -> None:
    """In place, without colours when NO_COLOR is set; the changes of status stay above it."""
    code, drawn = terminal(house, "train-dev", NO_COLOR="1")
    assert code == 0, drawn
    assert UP in drawn or b"\033[2K" in drawn
    assert re.search(rb"job \w+ .*\d s.*Running", drawn)
    assert b"Completed (" in drawn
    assert re.search(rb"\033\[[0-9;]*3[0-7]m", drawn) is None


@pytest.mark.slow
@pytest.mark.timeout(PATIENCE + 60)
def test_status_is_drawn_again_in_its_place(house: House) -> None:
    """Until Ctrl-C, which is how one stops looking and no error."""
    code, drawn = terminal(house, "status", "--watch", until=UP)
    assert code == 0, drawn
    assert drawn.count(b"newest model") >= 2


@pytest.mark.slow
@pytest.mark.timeout(PATIENCE + 60)
def test_a_runner_gets_plain_lines(house: House) -> None:
    """Even one that gives its steps a terminal."""
    code, drawn = terminal(house, "status", CI="true")
    assert code == 0, drawn
    assert CONTROL.search(drawn) is None
    assert b"next" in drawn
