"""A rollout in a process of its own, that can be killed before, during or after any of its calls of the workspace.

The process is forked from a server that has the SDK loaded, so that it costs no second of start-up, and no thread of
the tests is forked with it.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal

from house import environment

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["azure.ai.ml", "azure.ai.ml.entities", "ops.rollout.command"])
Moment = Literal["before", "during", "after"]


@dataclass(frozen=True)
class Ended:
    """How a rollout ended: the error's name ("" for none), what it said, and how many calls it made; None if killed."""

    error: str
    said: str
    calls: int


@dataclass
class Rolling:
    """A rollout that runs."""

    process: multiprocessing.process.BaseProcess
    answer: Connection

    def ended(self, seconds: float = 90) -> Ended | None:
        """Wait for its end and return it; None when it was killed. Fails, and ends it, when it takes longer."""
        self.process.join(seconds)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
            raise AssertionError(f"the rollout was still running after {seconds:g} s")
        return self.answer.recv() if self.process.exitcode == 0 else None


def start(
    root: Path, values: Mapping[str, Any], *, kill_at: int | None = None, moment: Moment = "before", **options: Any
) -> Rolling:
    """Start `inv rollout` with these settings and options, to be killed at its `kill_at`-th call (from 0)."""
    _ensure_server()
    mine, theirs = _CONTEXT.Pipe(duplex=False)
    process = _CONTEXT.Process(target=_roll, args=(root, dict(values), kill_at, moment, options, theirs), daemon=True)
    process.start()
    theirs.close()
    return Rolling(process, mine)


def _ensure_server() -> None:
    """Start the server with an environment of its own: the SDK leaves the name of its last cloud in this one."""
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(environment())
    try:
        forkserver.ensure_running()
    finally:
        os.environ.clear()
        os.environ.update(before)


def _roll(
    root: Path, values: dict[str, Any], kill_at: int | None, moment: Moment, options: dict[str, Any], answer: Connection
) -> None:
    from ops.errors import OpsError
    from ops.project import Project
    from ops.rollout import command

    with (root / "rolling.log").open("a") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    calls = _counted(kill_at, moment)
    try:
        command.run(Project(values, root), **options)
    except OpsError as fault:
        answer.send(Ended(type(fault).__name__, str(fault), len(calls)))
    except Exception as fault:
        answer.send(Ended(f"{type(fault).__name__}, which a user would see as a defect", str(fault), len(calls)))
    else:
        answer.send(Ended("", "", len(calls)))


def _counted(kill_at: int | None, moment: Moment) -> list[str]:
    """Return the list that each call of the workspace is added to; the one at `kill_at` ends the process."""
    from azure.core.pipeline.transport import RequestsTransport

    calls: list[str] = []
    usual = RequestsTransport.send

    def send(self: Any, request: Any, **options: Any) -> Any:
        number = len(calls)
        calls.append(f"{request.method} {request.url}")
        if number == kill_at and moment == "before":
            _die()
        if number == kill_at and moment == "during":
            threading.Timer(0.003, _die).start()
        reply = usual(self, request, **options)
        if number == kill_at:
            _die()
        return reply

    RequestsTransport.send = send  # type: ignore[method-assign]
    return calls


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
