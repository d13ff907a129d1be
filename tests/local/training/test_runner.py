"""The queue of jobs, in this process: what a full disk, a deletion or a stop in the midst of things leaves."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from loopback import serving

from local.control.state import State, assemble
from local.errors import Conflict
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


@pytest.fixture
def endless() -> Iterator[str]:
    """The address of a file that goes on and on."""
    over = threading.Event()

    class Trickle(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            with contextlib.suppress(OSError):
                while not over.wait(0.02):
                    self.wfile.write(b"x")

        def log_message(self, format: str, *values: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Trickle)
    with serving(server):
        yield f"http://127.0.0.1:{server.server_port}/rows.csv"
        over.set()


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
        await until(
            lambda: not (state.runner.folders.of("first") / "work").exists() and "first" in state.runner._running
        )
        await asyncio.sleep(0.3)
        assert status(state, "first") not in TERMINAL
        with state.store.transaction():
            state.store.db.execute("DROP TRIGGER full")
        submit(state, "second", "true")
        await until(lambda: status(state, "second") == "Completed")
        assert status(state, "first") == ("Completed" if at == "Completed" else "Failed")

    played(state, story())


async def ran(state: State, name: str, command: str, **more: Any) -> Path:
    """Run a job to its end, and return its folder."""
    submit(state, name, command, **more)
    await until(lambda: status(state, name) in TERMINAL)
    return state.runner.folders.of(name)


def test_a_deleted_job_leaves_nothing_to_the_next_of_its_name(state: State) -> None:
    """Neither a line of its log nor a parameter nor a file."""
    place = state.place

    async def story() -> None:
        more = {"outputs": {"out": {"jobOutputType": "uri_folder"}}}
        folder = await ran(state, "same", "echo one; echo 1 > ${{outputs.out}}/one; touch outputs/one", **more)
        state.tracking.change("same", lambda body: body["params"].update(depth="1"))
        state.jobs.delete("same")
        assert not folder.exists()
        assert state.tracking.logged("same")["params"] == {}
        assert list(state.blobs.tree(place.artifact_container, "ExperimentRun")) == []
        assert list(state.blobs.tree(place.blob_container, "azureml")) == []
        assert [each.name for each in (state.folder / "blobs").iterdir()] == []
        await ran(state, "same", "echo two", **more)
        assert (folder / "std_log.txt").read_text() == "two\n"

    played(state, story())


def test_what_an_asset_is_made_of_outlives_its_job(state: State) -> None:
    """A model of one output and one of the run's own folder stay whole; all else goes, and no job writes there."""
    uris = {"out": "azureml://jobs/maker/outputs/out", "run": "runs:/maker/outputs/model"}

    async def story() -> None:
        outputs = {name: {"jobOutputType": "uri_folder"} for name in ("out", "other")}
        line = "mkdir outputs/model; for each in outputs/model outputs ${{outputs.out}} ${{outputs.other}}; "
        await ran(state, "maker", line + "do echo x > $each/m.bin; done", outputs=outputs)
        for name, uri in uris.items():
            state.assets.put("models", name, "1", {"modelUri": uri, "modelType": "custom_model"})
        state.jobs.delete("maker")
        left = [
            blob.name
            for container in (state.place.artifact_container, state.place.blob_container)
            for _, blob in state.blobs.tree(container, "")
        ]
        with pytest.raises(Conflict, match="Assets are made of the files"):
            submit(state, "maker", "true")
        assert left == ["ExperimentRun/dcid.maker/outputs/model/m.bin", "azureml/maker/out/m.bin"]

    played(state, story())


def test_a_version_that_exists_is_refused_as_an_output(state: State) -> None:
    """A version is written once: the job that would write it again does not begin."""
    outputs = {"out": {"jobOutputType": "uri_folder", "assetName": "written", "assetVersion": "7"}}

    async def story() -> None:
        await ran(state, "first", "true", outputs=outputs)
        with pytest.raises(Conflict, match="written:7 exists"):
            submit(state, "second", "true", outputs=outputs)

    played(state, story())


def test_a_start_sweeps_what_the_last_server_left_of_its_jobs(state: State, new_state: Callable[[], State]) -> None:
    """The files of a job that died with it go, its log stays; a new job of that name starts afresh."""

    async def story() -> None:
        # As it stands when the server is killed.
        state.jobs.put("dead", JOB | {"command": "true"})
        state.runner.staging.prepare("dead", lambda: False)
        folder = state.runner.folders.of("dead")
        (folder / "std_log.txt").write_text("so far")
        (folder / "result.json").write_text('{"reason": "exited", "code": 0}')
        again = new_state()
        await again.start()
        assert sorted(each.name for each in folder.iterdir()) == ["result.json", "std_log.txt"]
        assert status(again, "dead") == "Failed"
        again.jobs.delete("dead")
        await ran(again, "dead", "kill -9 $PPID")
        assert status(again, "dead") == "Failed"
        await again.close()

    played(state, story())


@pytest.mark.timeout(60)
def test_a_stop_does_not_wait_for_what_a_job_fetches(state: State, endless: str, tmp_path: Path) -> None:
    """The job that is still being prepared is left off and not begun, and says why."""
    ran = tmp_path / "ran"

    async def story() -> None:
        inputs = {"rows": {"jobInputType": "uri_file", "uri": endless}}
        submit(state, "early", f"touch {ran}", inputs=inputs)
        await until((state.runner.folders.of("early") / "inputs" / "rows" / "rows.csv").exists)
        async with asyncio.timeout(10):
            await state.runner.close()
        assert status(state, "early") == "Failed"
        assert state.jobs.get("early").body["error"]["message"] == "The local workspace was stopped"
        assert not ran.exists()

    played(state, story())
