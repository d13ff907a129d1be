"""Runs queued jobs: files in, the command in its own process group, files out."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sqlite3
import sys
from collections import deque
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from local.errors import LocalError
from local.storage.retry import retrying
from local.training.folders import Folders
from local.training.jobs import Jobs
from local.training.staging import Staging

WATCHDOG = Path(__file__).with_name("watchdog.py")
AT_ONCE = 1
GRACE_SECONDS = 5.0


@dataclass(frozen=True)
class Ending:
    """How a job ended: its status, and the error if there was one."""

    status: str
    code: str = ""
    message: str = ""


class Runner:
    """Starts jobs in the order of their submission, `AT_ONCE` at a time."""

    def __init__(self, folders: Folders, jobs: Jobs, staging: Staging) -> None:
        self.folders = folders
        self.jobs = jobs
        self.staging = staging
        self._closing = asyncio.Event()
        self._free = AT_ONCE
        self._queue: deque[str] = deque()
        self._running: dict[str, asyncio.Task[None]] = {}
        self._lifelines: dict[str, int] = {}

    def submit(self, name: str) -> None:
        """Put a job, which is stored already, into the queue. Call it in the event loop."""
        self._queue.append(name)
        self._start_next()

    async def cancel(self, name: str) -> None:
        """End a job; returns at once, its status follows."""
        if name in self._queue:
            self._queue.remove(name)
            await asyncio.to_thread(self.jobs.finish, name, "Canceled")
            return
        self._ask_to_end(name)

    async def close(self) -> None:
        """End every job with the server; they are Failed, and say why."""
        self._closing.set()
        self._queue.clear()
        for name in list(self._lifelines):
            self._ask_to_end(name)
        await asyncio.gather(*self._running.values(), return_exceptions=True)

    def _stopped(self, name: str) -> bool:
        """Say whether a job is to end before its time, by its own cancel or with the server."""
        return self._closing.is_set() or bool(self.jobs.get(name).body.get("cancel"))

    def _ask_to_end(self, name: str) -> None:
        if name in self._lifelines:
            with contextlib.suppress(BrokenPipeError):
                os.write(self._lifelines[name], b"c")

    def _start_next(self) -> None:
        while self._queue and self._free > 0:
            name = self._queue.popleft()
            self._free -= 1
            task = asyncio.create_task(self._run(name), name=f"job {name}")
            self._running[name] = task
            task.add_done_callback(partial(self._ended, name))

    def _ended(self, name: str, task: asyncio.Task[None]) -> None:
        if self._running.get(name) is task:
            # Another job may have its name by now.
            del self._running[name]
        self._free += 1
        self._start_next()

    async def _run(self, name: str) -> None:
        try:
            ending = await self._work(name)
        except LocalError as error:
            ending = Ending("Failed", "UserError", str(error))
        except (OSError, ValueError, sqlite3.Error) as error:
            # What the system would not start a process with is a ValueError.
            ending = Ending("Failed", "SystemError", f"The job could not be run: {error}")
        # Before the end is told: who hears of it may delete the job, and a full disk must have room to tell it. The
        # blob row of the log points into the folder, which stays; the files around it need not.
        await asyncio.to_thread(self.folders.clear, name)
        tell = partial(self.jobs.finish, name, ending.status, code=ending.code, message=ending.message)
        await retrying(tell, f"the end of job {name}", self._closing)

    async def _work(self, name: str) -> Ending:
        folder = self.folders.of(name)
        line, environment, seconds = await asyncio.to_thread(self.staging.prepare, name, partial(self._stopped, name))
        result = await self._execute(name, folder, line, environment, seconds)
        await asyncio.to_thread(self.jobs.set_status, name, "Finalizing")
        await asyncio.to_thread(self.staging.collect, name)
        return await asyncio.to_thread(self._ending, name, folder, result, seconds)

    async def _execute(
        self, name: str, folder: Path, line: str, environment: dict[str, str], seconds: float
    ) -> dict[str, Any]:
        if self._stopped(name):
            return {"reason": "canceled", "code": None}
        result = folder / "result.json"
        process = None
        read_end, write_end = os.pipe()
        try:
            with (folder / "std_log.txt").open("ab") as log:
                process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-I", "-S", str(WATCHDOG), str(read_end), str(result)),
                    *(str(seconds), str(GRACE_SECONDS), "/bin/bash", "-c", line),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd=folder / "work",
                    env=environment,
                    start_new_session=True,
                    pass_fds=(read_end,),
                )
            os.close(read_end)
            read_end = -1
            self._lifelines[name] = write_end
            await asyncio.to_thread(self.jobs.set_status, name, "Running")
            if self._stopped(name):
                self._ask_to_end(name)
            await process.wait()
        finally:
            self._lifelines.pop(name, None)
            os.close(write_end)
            if read_end >= 0:
                os.close(read_end)
            if process is not None:
                # Without its lifeline it ends soon, also when we are here because of an error; its files are in use.
                await process.wait()
        if not result.exists():
            return {"reason": "lost", "code": process.returncode}
        found: dict[str, Any] = json.loads(result.read_text())
        return found

    def _ending(self, name: str, folder: Path, result: dict[str, Any], seconds: float) -> Ending:
        reason, code = result["reason"], result["code"]
        if reason == "canceled":
            if self.jobs.get(name).body.get("cancel"):
                return Ending("Canceled")
            return Ending("Failed", "SystemError", "The local workspace was stopped")
        if reason == "timeout":
            message = f"Job was canceled because it exceeded its time limit of {seconds:g} seconds."
            return Ending("Canceled", "JobTimeout", message)
        if reason == "exited" and code == 0:
            return Ending("Completed")
        if reason == "exited":
            last = result.get("last") or _last_line(folder / "std_log.txt")
            message = f"Execution failed. User process exited with code {code}. {last}".strip()
            return Ending("Failed", "UserError", message)
        return Ending("Failed", "SystemError", "The job's process was killed")


def _last_line(path: Path) -> str:
    if not path.exists():
        return ""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 8192))
        lines = [each.strip() for each in file.read().decode(errors="replace").splitlines() if each.strip()]
    return lines[-1][:1000] if lines else ""
