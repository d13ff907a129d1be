"""The life of the local workspace: started once, found again, stopped, emptied, and what may go wrong."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from local import launch, server
from local.errors import FolderError, ServerDied, StartError
from local.folder import CONNECTION_FILE
from local.storage.store import Store

SOURCE = str(Path(launch.__file__).resolve().parent.parent)


def test_it_survives_the_command_that_started_it(folder: Path) -> None:
    """A workspace that another process started is found, and is the same at the next ensure."""
    environment = os.environ | {"PYTHONPATH": SOURCE}
    start = "import json, pathlib, sys; from local import launch; made = launch.ensure(pathlib.Path(sys.argv[1]))"
    line = [sys.executable, "-c", f"{start}; print(json.dumps(made.to_json()))", str(folder)]
    started = json.loads(subprocess.run(line, env=environment, check=True, capture_output=True).stdout)
    found = launch.find(folder)
    assert found is not None
    assert found.to_json() == started
    assert launch.ensure(folder) == found


def test_a_server_of_older_code_is_replaced(folder: Path) -> None:
    """By one that speaks as this code does; the older one wrote down less of itself."""
    older = launch.ensure(folder)
    known = {key: value for key, value in older.to_json().items() if key not in ("studio", "authority")}
    (folder / CONNECTION_FILE).write_text(json.dumps(known | {"version": "1"}))
    newer = launch.ensure(folder)
    assert newer.version == launch.PROTOCOL
    assert newer.pid != older.pid
    assert launch.find(folder) == newer


@pytest.mark.slow
def test_starts_at_once_give_one_server(folder: Path) -> None:
    """Several ensures at the same time end with the same server."""
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: launch.ensure(folder), range(4)))
    assert len({each.pid for each in found}) == 1


def test_secrets_are_for_the_owner_only(folder: Path) -> None:
    """No file of the folder can be read by anybody else, and the connection holds no secret."""
    connection = launch.ensure(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    token = Path(connection.token_file)
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    assert stat.S_IMODE((folder / "tls" / "server.pem").stat().st_mode) == 0o600
    assert connection.token() not in json.dumps(connection.to_json())


def test_no_token_in_the_process_list_nor_in_the_log(folder: Path) -> None:
    """The token is neither an argument nor in the environment of the server, nor in its log."""
    connection = launch.ensure(folder)
    process = psutil.Process(connection.pid)
    assert connection.token() not in " ".join(process.cmdline())
    assert connection.token() not in " ".join(process.environ().values())
    assert connection.token() not in launch.log_file(folder).read_text()


@pytest.mark.slow
def test_stop_ends_it_and_keeps_the_ports(folder: Path) -> None:
    """After a stop nothing is found and the process is gone; the next start has the same addresses."""
    first = launch.ensure(folder)
    assert launch.stop(folder)
    assert launch.find(folder) is None
    assert not launch.stop(folder)
    second = launch.ensure(folder)
    assert (second.arm, second.scoring) == (first.arm, first.scoring)
    assert second.pid != first.pid


@pytest.mark.slow
def test_a_taken_port_is_given_up(folder: Path) -> None:
    """When somebody has the port of last time, another one is chosen, and the log says so."""
    first = launch.ensure(folder)
    launch.stop(folder)
    port = int(first.scoring.rsplit(":", 1)[1])
    with socket.socket() as stranger:
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        stranger.bind(("127.0.0.1", port))
        stranger.listen()
        second = launch.ensure(folder)
    assert second.scoring != first.scoring
    now = second.scoring.rsplit(":", 1)[1]
    assert f"port {port} is taken: scoring is on {now} now" in launch.log_file(folder).read_text()


def test_a_stranger_on_the_port_is_not_trusted_and_sees_no_token(folder: Path) -> None:
    """What answers on the port without the proof is not taken for the workspace, and is not told the token."""
    connection = launch.ensure(folder)
    record = (folder / CONNECTION_FILE).read_text()
    launch.stop(folder)
    heard: list[bytes] = []
    with socket.socket() as stranger:
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        stranger.bind(("127.0.0.1", int(connection.scoring.rsplit(":", 1)[1])))
        stranger.listen()

        def answer() -> None:
            client, _ = stranger.accept()
            heard.append(client.recv(4096))
            body = json.dumps({"instance": connection.instance, "version": "1", "proof": "0" * 64})
            client.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
            client.close()

        thread = threading.Thread(target=answer)
        thread.start()
        alive = record.replace(f'"pid": {connection.pid}', f'"pid": {os.getpid()}')
        (folder / CONNECTION_FILE).write_text(alive)
        assert launch.find(folder) is None
        thread.join()
    assert connection.token().encode() not in heard[0]


@pytest.mark.slow
def test_reset_leaves_nothing(folder: Path) -> None:
    """A reset stops the server and deletes its folder; the next start is a new workspace."""
    first = launch.ensure(folder)
    old = first.token()
    launch.reset(folder)
    assert not folder.exists()
    assert launch.ensure(folder).token() != old


@pytest.mark.parametrize("act", [launch.ensure, launch.reset])
def test_a_folder_that_is_not_ours_is_not_touched(tmp_path: Path, act: Callable[[Path], object]) -> None:
    """Somebody's own work is in it, under names that a workspace has too: no server is started, nothing is deleted."""
    (tmp_path / "thesis.txt").write_text("years of work")
    (tmp_path / "token").write_text("for something else")
    (tmp_path / "blobs").mkdir()
    (tmp_path / "blobs" / "ink.txt").touch()
    before = tmp_path.stat().st_mode
    with pytest.raises(FolderError, match=r"does not look like .*holds thesis\.txt"):
        act(tmp_path)
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")} == {
        "thesis.txt", "token", "blobs", "blobs/ink.txt",
    }  # fmt: skip
    assert tmp_path.stat().st_mode == before


def test_reset_leaves_what_somebody_put_beside_the_state(folder: Path) -> None:
    """Only what a workspace makes is deleted, and half-written files of it."""
    folder.mkdir()
    Store(folder / "state.sqlite").close()
    for name in ("notes.txt", ".token.0a1b2c3d", "server.log"):
        (folder / name).touch()
    launch.reset(folder)
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]


@pytest.mark.slow
def test_a_start_that_meets_a_reset_is_a_start(folder: Path) -> None:
    """However they race, the server that is there in the end works on a folder that is there."""
    launch.ensure(folder)
    with ThreadPoolExecutor(3) as threads:
        for _ in range(3):
            emptied = threads.submit(launch.reset, folder)
            started = [threads.submit(launch.ensure, folder) for _ in range(2)]
            emptied.result()
            # One that was up before the reset was ended by it, and may say so.
            assert {type(each.exception()) for each in started} <= {type(None), ServerDied}
            launch.ensure(folder)
            assert launch.find(folder) is not None
            assert (folder / "state.sqlite").exists()


def test_state_of_a_newer_version_is_refused(folder: Path) -> None:
    """A database with a higher schema version stops the start, with a message that says what to do."""
    folder.mkdir()
    store = Store(folder / "state.sqlite")
    store.db.execute("PRAGMA user_version=99")
    store.close()
    with pytest.raises(ServerDied, match="written by a newer version"):
        launch.ensure(folder)


@pytest.mark.parametrize("left", [b"", b"\xff\xfe\x00\x80", b"a.b.c"])
def test_a_damaged_token_is_made_anew(folder: Path, left: bytes) -> None:
    """Empty, it would let everybody in; of other bytes, nobody or who guesses it."""
    folder.mkdir()
    Store(folder / "state.sqlite").close()
    (folder / "token").write_bytes(left)
    connection = launch.ensure(folder)
    assert len(connection.token()) > 100
    assert stat.S_IMODE((folder / "token").stat().st_mode) == 0o600
    for headers in ({}, {"Authorization": "Bearer "}, {"Authorization": "Bearer a.b.c"}):
        answer = requests.get(f"{connection.arm}/x", headers=headers, verify=connection.ca_bundle, timeout=30)
        assert answer.status_code == 401


@pytest.mark.parametrize(
    "left", ['{"control": 99999, "scoring": -1, "studio": Infinity}', '{"control": 99999}', "[", "\0"]
)
def test_ports_that_are_none_are_given_up(folder: Path, left: str) -> None:
    """Whatever stands in ports.json, there are ports."""
    folder.mkdir()
    (folder / "ports.json").write_text(left)
    listeners = server._listen(folder)
    ports = {name: listener.getsockname()[1] for name, listener in listeners.items()}
    for listener in listeners.values():
        listener.close()
    assert json.loads((folder / "ports.json").read_text()) == ports


def test_a_damaged_store_is_said_so(folder: Path) -> None:
    """Also one that opens: the thing, the fault and the way out, and nothing that an earlier server said."""
    folder.mkdir()
    store = Store(folder / "state.sqlite")
    for number in range(500):
        store.put("jobs", str(number), {"text": "x" * 500}, mark="Running")
    store.close()
    whole = (folder / "state.sqlite").read_bytes()
    (folder / "state.sqlite").write_bytes(whole[:8192] + b"\xff" * (len(whole) - 8192))
    launch.log_file(folder).write_text("INFO an earlier server\n" * 3)
    with pytest.raises(ServerDied, match=r"state\.sqlite is damaged \(.*inv workspace\.reset") as died:
        launch.ensure(folder)
    assert "earlier server" not in str(died.value)
    assert "Traceback" not in str(died.value)


def test_it_is_not_ready_without_its_servers(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that ends at once is a StartError with its reason; no connection is left, and nobody is told ready."""
    monkeypatch.setattr(server, "make_certificate", lambda folder: (folder / "none",) * 3)
    folder.mkdir()
    read_end, write_end = os.pipe()
    with open(read_end, "rb") as ready:
        with pytest.raises(StartError, match=r"did not start: .*No such file"):
            asyncio.run(server.serve(folder, write_end))
        os.close(write_end)
        assert ready.read() == b""
    assert not (folder / CONNECTION_FILE).exists()


def test_it_starts_from_a_command_without_standard_streams(folder: Path) -> None:
    """As cron or a daemon may start it: what it says goes to its log, and `ready` to who waits."""
    start = "import pathlib, sys; from local import launch; launch.ensure(pathlib.Path(sys.argv[1]))"
    line = ["bash", "-c", 'exec "$@" <&- >&- 2>&-', "bash", sys.executable, "-c", start, str(folder)]
    subprocess.run(line, env=os.environ | {"PYTHONPATH": SOURCE}, check=True, timeout=60)
    connection = launch.find(folder)
    assert connection is not None
    assert "ready" not in launch.log_file(folder).read_text().split("\n")
    if sys.platform == "linux":
        streams = [os.readlink(f"/proc/{connection.pid}/fd/{number}") for number in range(3)]
        assert streams == [os.devnull, *[str(launch.log_file(folder))] * 2]


def test_a_folder_that_cannot_be_made_is_said_so(tmp_path: Path) -> None:
    """A file in the place of the folder is a FolderError that names it."""
    (tmp_path / "file").touch()
    with pytest.raises(FolderError, match="cannot be used"):
        launch.ensure(tmp_path / "file" / "state")


@pytest.mark.skipif(sys.platform != "linux", reason="the file system that takes no file is Linux's")
def test_a_folder_that_cannot_be_written_is_said_so() -> None:
    """Not even by root: a FolderError with the reason, and no traceback on the command line."""
    empty = [each for each in Path("/proc").iterdir() if not each.name.isdecimal() and each.is_dir()]
    folder = next((each for each in empty if not any(each.iterdir())), None)
    if folder is None:
        pytest.skip("no folder of /proc is empty here")
    with pytest.raises(FolderError, match=f"{folder} cannot be used"):
        launch.ensure(folder)
    line = [sys.executable, "-m", "local", str(folder)]
    said = subprocess.run(line, env=os.environ | {"PYTHONPATH": SOURCE}, capture_output=True, text=True, check=False)
    assert (said.returncode, said.stderr.count("\n")) == (1, 1)
    assert "cannot be used" in said.stderr


def test_a_second_server_of_a_folder_is_refused(folder: Path) -> None:
    """It ends by itself and says why; the first one goes on."""
    first = launch.ensure(folder)
    line = [sys.executable, "-m", "local", str(folder)]
    said = subprocess.run(line, env=os.environ | {"PYTHONPATH": SOURCE}, capture_output=True, text=True, check=False)
    assert said.returncode == 1
    assert "Another server already works on" in said.stderr
    assert launch.find(folder) == first


@pytest.mark.slow
def test_row_5_a_job_that_dies_with_the_server_is_failed(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wait: Any
) -> None:
    """After kill -9 of the server its job's processes end, and the job is Failed and says why."""
    from azure.ai.ml import command
    from azure.ai.ml.entities import Environment
    from tests.local.conftest import make_client

    connection = launch.ensure(folder)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", connection.ca_bundle)
    note = tmp_path / "pid"
    environment = Environment(image="none", conda_file={"name": "x", "dependencies": ["python"]})
    line = f"sleep 300 & echo $! > {note}; wait"
    job = make_client(connection).jobs.create_or_update(
        command(command=line, compute="cpu-cluster", environment=environment)
    )
    wait(lambda: note.exists() and note.read_text().strip())
    os.kill(connection.pid, signal.SIGKILL)
    wait(lambda: not psutil.pid_exists(int(note.read_text())))
    after = make_client(launch.ensure(folder))
    assert after.jobs.get(job.name).status == "Failed"
    error = after.jobs._runs_operations.get_run_details(job.name).error.error
    assert "stopped while the job was running" in error.message
