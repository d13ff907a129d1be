"""Processes that run inference servers: started ahead, given their order, stopped, reaped after a crash.

Importing the inference server's libraries takes most of a start (0.9 s, against 0.04 s for the rest), so one
process is kept that has imported them and waits. Each process leads its own group and has a record (pid and
start time) in the state folder while it lives: what a killed supervisor leaves behind is ended by `reap` at
the next start. On Linux the kernel ends it first.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

SCRIPT = Path(__file__).with_name("container.py")
GRACE_SECONDS = 5.0

_BACKLOG = 4096
# The shortest limit on a Unix socket's path is macOS's: 104 bytes with the closing zero.
_PATH_LIMIT = 100
_EARLY = ("PYTHON", "LD_", "DYLD_", "LANG", "LC_", "MALLOC_", "OTEL_")


class Container:
    """One process, its socket and its record."""

    def __init__(self, process: asyncio.subprocess.Process, address: Path, record: Path) -> None:
        self.process = process
        self.address = str(address)
        self.record = record

    def order(self, order: Mapping[str, Any]) -> None:
        """Tell the waiting process what to serve."""
        stdin = self.process.stdin
        if stdin is not None:
            stdin.write(json.dumps(order).encode() + b"\n")
            stdin.close()

    async def stop(self, grace: float = GRACE_SECONDS) -> None:
        """End the whole group: ask, wait `grace` seconds, then kill. Safe to repeat."""
        try:
            if self.process.returncode is None:
                _signal_group(self.process.pid, signal.SIGTERM)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(grace):
                        await self.process.wait()
        finally:
            # Also when the leader has ended: a group outlives it.
            _signal_group(self.process.pid, signal.SIGKILL)
            await self.process.wait()
            _forget(self.record, Path(self.address))


class Containers:
    """Starts containers, and keeps one spare that has done its imports."""

    def __init__(self, folder: Path, python: str) -> None:
        self._records = folder / "processes"
        self.python = Path(python)
        self._spare: asyncio.Task[Container] | None = None
        self._later: asyncio.TimerHandle | None = None

    def warm(self, delay: float = 0.0) -> None:
        """Start a spare in `delay` seconds, if there is none by then."""
        self._cancel_later()
        self._later = asyncio.get_running_loop().call_later(delay, self._begin_spare)

    def _begin_spare(self) -> None:
        if self._spare is None:
            self._spare = asyncio.get_running_loop().create_task(self._start({}))

    def _cancel_later(self) -> None:
        if self._later is not None:
            self._later.cancel()
            self._later = None

    async def take(self, environment: Mapping[str, str]) -> Container:
        """Give a process: the spare, unless the environment has variables that count from exec on."""
        early = {name: value for name, value in environment.items() if name.startswith(_EARLY)}
        spare, self._spare = (None, self._spare) if early else (self._spare, None)
        if spare is not None and (container := await _made(spare)) is not None:
            if container.process.returncode is None:
                return container
            await container.stop(0)
        return await self._start(early)

    async def close(self) -> None:
        """End the spare, and start no other."""
        self._cancel_later()
        spare, self._spare = self._spare, None
        if spare is not None and (container := await _made(spare)) is not None:
            await container.stop(0)

    async def _start(self, early: Mapping[str, str]) -> Container:
        name = uuid.uuid4().hex[:12]
        self._records.mkdir(parents=True, exist_ok=True, mode=0o700)
        address = self._records / f"{name}.sock"
        if len(os.fsencode(address)) > _PATH_LIMIT:
            address = Path(tempfile.mkdtemp(prefix="inference-")) / "s"
        record = self._records / f"{name}.json"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(address))
            address.chmod(0o600)
            listener.listen(_BACKLOG)
            process = await asyncio.create_subprocess_exec(
                *(str(self.python), "-P", "-u", str(SCRIPT), str(listener.fileno()), str(os.getpid())),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
                cwd=self._records,
                env={"PATH": os.defpath, "LANG": "C.UTF-8", **early},
                pass_fds=(listener.fileno(),),
                start_new_session=True,
            )
        started = start_time(process.pid)
        record.write_text(json.dumps({"pid": process.pid, "started": started, "socket": str(address)}))
        return Container(process, address, record)


async def _made(spare: asyncio.Task[Container]) -> Container | None:
    """Return the spare; None if it could not be started, for want of a file descriptor or memory at that moment."""
    try:
        return await spare
    except OSError:
        return None


def reap(folder: Path) -> int:
    """End what a supervisor that was killed left running; give how many groups were found alive."""
    found = 0
    for record in sorted((folder / "processes").glob("*.json")):
        try:
            left = json.loads(record.read_text())
        except ValueError:
            left = {"pid": 0, "started": None, "socket": str(record.with_suffix(".sock"))}
        # A recycled pid has another start time; its owner is none of our business.
        leader = start_time(left["pid"])
        same = left["started"] is not None and leader == left["started"]
        if same or (leader is None and _works_in(left["pid"], folder.parent)):
            found += 1
            _signal_group(left["pid"], signal.SIGKILL)
        _forget(record, Path(left["socket"]))
    # A socket whose record was not yet written.
    for address in (folder / "processes").glob("*.sock"):
        address.unlink(missing_ok=True)
    return found


def start_time(pid: int) -> str | None:
    """Say when a process began, in a form only good for comparing; None if it does not run."""
    if sys.platform == "linux":
        try:
            # Fields 3 and 22; the command's name, in parentheses before them, may hold anything.
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            return None if fields[0] == "Z" else fields[19]
        except (FileNotFoundError, ProcessLookupError):
            return None
    listed = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return listed.stdout.strip() or None


def _works_in(group: int, folder: Path) -> bool:
    """Whether a group that has lost its leader has a member in the folder, such as a scoring script's own child."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if group and os.getpgid(process.pid) == group and Path(process.cwd()).is_relative_to(folder.resolve()):
                return True
    return False


def _signal_group(pid: int, number: signal.Signals) -> None:
    # macOS answers EPERM for a group of zombies.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def _forget(record: Path, address: Path) -> None:
    address.unlink(missing_ok=True)
    if address.name == "s" and address.parent.name.startswith("inference-"):
        shutil.rmtree(address.parent, ignore_errors=True)
    record.unlink(missing_ok=True)
