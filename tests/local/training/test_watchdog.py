"""The script that keeps one command: it lets go of none, whatever happens to itself or to the disk."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from local.training.runner import WATCHDOG

FULL = Path("/dev/full")


@pytest.fixture
def lifeline() -> Iterator[int]:
    """The read end of a pipe that stays open for the test."""
    read, write = os.pipe()
    yield read
    os.close(read)
    os.close(write)


def start(lifeline: int, result: Path, line: str, stdout: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-I", "-S", str(WATCHDOG), str(lifeline), str(result), "0", "1", "/bin/bash", "-c", line],
        stdout=stdout,
        stderr=subprocess.DEVNULL,
        pass_fds=(lifeline,),
        start_new_session=True,
    )


@pytest.mark.skipif(not FULL.exists(), reason="there is no disk here that is always full")
def test_a_log_on_a_full_disk_does_not_end_the_command(lifeline: int, tmp_path: Path) -> None:
    """More than a pipe holds is read and lost, the command runs to its end, and its last words are known."""
    result, done = tmp_path / "result.json", tmp_path / "done"
    line = f"head -c 300000 /dev/zero | tr '\\0' x >&2; echo >&2; echo last >&2; touch {done}"
    with FULL.open("wb") as full:
        assert start(lifeline, result, line, full).wait(30) == 0
    assert done.exists()
    assert json.loads(result.read_text()) == {"reason": "exited", "code": 0, "last": "last"}


def test_a_shepherd_that_fails_leaves_no_command(lifeline: int, tmp_path: Path, wait: Any) -> None:
    """Whatever ends it but a kill, the command's group ends with it."""
    note = tmp_path / "pid"
    process = start(lifeline, tmp_path / "result.json", f"sleep 300 & echo $! > {note}; wait", subprocess.DEVNULL)
    wait(lambda: note.exists() and note.read_text().strip())
    process.send_signal(signal.SIGINT)
    assert process.wait(30) != 0
    wait(lambda: not psutil.pid_exists(int(note.read_text())))
