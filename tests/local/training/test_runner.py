"""The queue of jobs, in this process: what a full disk, a deletion or a stop in the midst of things leaves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from local.control.state import State, assemble
from local.training.jobs import TERMINAL
from local.wire.place import Place

JOB = {"jobType": "Command", "computeId": "cpu-cluster"}


@pytest.fixture
def new_state(tmp_path: Path) -> Callable[[], State]:
    """Put a workspace together around one folder, as each start of a server does."""
    return lambda: assemble(tmp_path / "state", "i", "token", Place("https://127.0.0.1:1", "http://127.0.0.1:2"))


@pytest.fixture
def state(tmp_path: Path, new_state: Callable[[], State]) -> State:
    (tmp_path / "state").mkdir()
    return new_state()


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.02)


def played(state: State, story: Coroutine[Any, Any, None]) -> None:
    """Run a story in the workspace's loop, and close the workspace."""

    async def play() -> None:
        try:
            await story
        finally:
            await state.close()

    asyncio.run(play())


def submit(state: State, name: str, command: str, **more: Any) -> None:
    state.jobs.put(name, JOB | {"command": command} | more)
    state.runner.submit(name)


def status(state: State, name: str) -> str:
    return str(state.jobs.get(name).body["status"])


@pytest.mark.parametrize("at", ["Preparing", "Running", "Completed"])
def test_the_end_of_a_job_is_told_when_the_disk_has_room_again(state: State, at: str) -> None:
    """Whichever write it was that failed: the job ends, its files go, and the next one starts."""

    async def story() -> None:
        with state.store.transaction():
            state.store.db.execute(
                "CREATE TRIGGER full BEFORE INSERT ON documents WHEN NEW.kind = 'jobs' AND "
                f"NEW.mark IN ('{at}', 'Failed') BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END"
            )
        submit(state, "first", f"[ {at} != Running ] || sleep 300")
        await until(lambda: not (state.runner.folder / "first" / "work").exists() and "first" in state.runner._running)
        await asyncio.sleep(0.3)
        assert status(state, "first") not in TERMINAL
        with state.store.transaction():
            state.store.db.execute("DROP TRIGGER full")
        submit(state, "second", "true")
        await until(lambda: status(state, "second") == "Completed")
        assert status(state, "first") == ("Completed" if at == "Completed" else "Failed")

    played(state, story())
