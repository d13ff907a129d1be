"""Run one command, and end it when its time is up, when told to, or when the server that wanted it is gone.

A script of its own, started with the standard library alone:
`python -I -S watchdog.py LIFELINE RESULT SECONDS GRACE COMMAND...`.
LIFELINE is the read end of a pipe whose only write end is in the server: a byte in it asks for the end, and it
reads as ended when the server dies, however it dies. The command gets a process group of its own. RESULT is a
file that will say how it ended.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

_STEP = 0.5
_DRAIN = 1.0
_REMEMBERED = 8192


def _signal_group(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def _group_lives(pid: int) -> bool:
    try:
        os.killpg(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def end_group(child: subprocess.Popen[bytes], grace: float) -> None:
    """Ask the group to end; kill what is left of it after `grace` seconds."""
    _signal_group(child.pid, signal.SIGTERM)
    deadline = time.monotonic() + grace
    while time.monotonic() < deadline:
        child.poll()
        if not _group_lives(child.pid):
            break
        time.sleep(0.02)
    _signal_group(child.pid, signal.SIGKILL)
    child.wait()


class Errors:
    """The command's standard error: copied to our own output, and its end remembered.

    What a full disk does not take is lost, and read all the same: the command must not wait for a reader.
    """

    def __init__(self, pipe: int) -> None:
        self.pipe = pipe
        self.open = True
        self.end = b""

    def copy(self) -> None:
        data = os.read(self.pipe, 65536)
        self.open = bool(data)
        self.end = (self.end + data)[-_REMEMBERED:]
        with contextlib.suppress(OSError):
            while data:
                data = data[os.write(1, data) :]

    def drain(self, seconds: float) -> None:
        """Copy what is still on its way; a process that outlives the command may keep the pipe open."""
        deadline = time.monotonic() + seconds
        while self.open and select.select([self.pipe], [], [], max(0, deadline - time.monotonic()))[0]:
            self.copy()

    def last_line(self) -> str:
        lines = [line.strip() for line in self.end.decode(errors="replace").splitlines() if line.strip()]
        return lines[-1][:1000] if lines else ""


def _watch(child: subprocess.Popen[bytes], errors: Errors, lifeline: int, wake: int, seconds: float) -> str:
    """Wait until the command has ended or must be ended, and return the reason."""
    deadline = time.monotonic() + seconds if seconds > 0 else None
    while child.poll() is None:
        watched = [lifeline, wake] + ([errors.pipe] if errors.open else [])
        ready, _, _ = select.select(watched, [], [], _STEP)
        if wake in ready:
            os.read(wake, 512)
        if errors.pipe in ready:
            errors.copy()
        if lifeline in ready:
            return "canceled" if os.read(lifeline, 1) else "orphaned"
        if deadline is not None and time.monotonic() > deadline:
            return "timeout"
    return "exited"


def run(lifeline: int, result: Path, seconds: float, grace: float, command: list[str]) -> None:
    """Run the command to its end and write {"reason", "code", "last"}.

    The reason is exited, timeout, canceled or orphaned; `last` is the last line of its standard error.
    """
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    child = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True, bufsize=0
    )
    assert child.stderr is not None
    errors = Errors(child.stderr.fileno())
    reason = ""
    try:
        reason = _watch(child, errors, lifeline, wake_read, seconds)
    finally:
        # However the watch ends: nobody else knows of this group.
        end_group(child, 0 if reason == "exited" else grace)
    errors.drain(_DRAIN)
    temporary = result.with_suffix(".new")
    temporary.write_text(json.dumps({"reason": reason, "code": child.returncode, "last": errors.last_line()}))
    temporary.replace(result)


if __name__ == "__main__":
    run(int(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4]), sys.argv[5:])
