"""kill -9 at any moment of the whole flow: what was acknowledged is there, nothing is stuck, nothing is left behind.

KILLS=200 in the environment asks for as many kills (20 unless said); the first seed is SEED (1 unless said).
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
from raw_flow import Client, Flow

from local import launch
from local.errors import StartError

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

KILLS = int(os.environ.get("KILLS", "20"))
SEED = int(os.environ.get("SEED", "1"))


def kill_while_it_recovers(client: Client, chance: random.Random) -> None:
    """Start the server and kill it before it is ready, or just after."""
    with ThreadPoolExecutor(1) as pool:
        starting = pool.submit(launch.ensure, client.folder)
        while not (found := servers(client.folder)) and not starting.done():
            time.sleep(0.01)
        time.sleep(chance.random())
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        # It may have been ready by then.
        with contextlib.suppress(StartError):
            starting.result(60)


def servers(folder: Path) -> list[int]:
    found = []
    for process in psutil.process_iter(["cmdline", "pid"]):
        words = process.info["cmdline"] or []
        if "serve" in words and str(folder) in words:
            found.append(process.info["pid"])
    return found


def family(pid: int) -> set[int]:
    return {pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))}


def strangers(folder: Path, pid: int) -> list[str]:
    """Return the processes that work in the folder and do not belong to its server."""
    known, found = family(pid), []
    for process in psutil.process_iter():
        # Any of them may end while it is looked at.
        with contextlib.suppress(psutil.Error, OSError):
            words = " ".join([*process.cmdline(), process.cwd()])
            if str(folder) in words and process.pid not in known and process.pid != os.getpid():
                found.append(words)
    return found


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    client = Client(tmp_path / "state")
    yield client
    launch.stop(client.folder)


def check(client: Client, wait: Any) -> None:
    """Hold what the restarted server has against what the last one acknowledged."""
    for path, body in client.acknowledged.items():
        if path.startswith("blob "):
            continue
        found = client.get(path)
        if path.startswith(("models", "jobs")):
            key = "command" if path.startswith("jobs") else "modelUri"
            assert found["properties"][key].endswith(body["properties"][key].removeprefix("azureml://"))
        if path.startswith(("jobs", "onlineEndpoints")):
            wait(lambda path=path: client.settled(path), 60)
    for path in client.deleted:
        try:
            wait(lambda path=path: client.call("GET", path).status_code == 404, 60)
        except AssertionError as error:
            error.add_note(f"{path} was deleted: {client.call('GET', path).text}")
            raise
    endpoint = client.acknowledged.get("onlineEndpoints/endp")
    if endpoint:
        found = client.get("onlineEndpoints/endp")["properties"]
        assert sum(found["traffic"].values()) in (0, 100)
        live = [name for name, share in found["traffic"].items() if share]
        if live:
            key = client.call("POST", "onlineEndpoints/endp/listKeys").json()["primaryKey"]
            headers = {"Authorization": f"Bearer {key}"}
            wait(lambda: requests.post(found["scoringUri"], json={}, headers=headers, timeout=30).text == "1", 60)
    store = client.get("datastores/workspaceblobstore")["properties"]["containerName"]
    sas = client.call("POST", "datastores/workspaceblobstore/listSecrets").json()["sasToken"]
    for name, data in list(client.blobs.items()):
        answer = client.session.get(f"{client.connection.arm}/blob/acct/{store}/{name}?{sas}", timeout=30)
        if answer.status_code == 404:
            assert f"blob {name}" not in client.acknowledged
        else:
            assert answer.content == data, f"{name} reads as {len(answer.content)} of {len(data)} bytes"
    # A job that is asked to end has some seconds to do so.
    wait(lambda: strangers(client.folder, client.connection.pid) == [], 20)


def test_kills_at_random_lose_nothing_and_leave_nothing(client: Client, wait: Any) -> None:
    """However often and whenever the server is killed, the next one takes up where it was."""
    for seed in range(SEED, SEED + KILLS):
        chance = random.Random(seed)
        pid, delay = client.connection.pid, chance.choice([0.05, 0.3, 1.5]) * chance.random()
        timer = threading.Timer(delay, os.kill, (pid, signal.SIGKILL))
        timer.start()
        try:
            with pytest.raises(requests.RequestException):
                Flow(client, chance).run()
        finally:
            timer.join()
        wait(lambda pid=pid: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
        if chance.random() < 0.3:
            kill_while_it_recovers(client, chance)
        client.connect()
        try:
            check(client, wait)
        except AssertionError as error:
            error.add_note(f"seed {seed}, killed after {delay:.3f} s")
            raise
        client.blobs.clear()
        client.deleted.clear()
        for path in [path for path in client.acknowledged if not path.startswith("onlineEndpoints")]:
            del client.acknowledged[path]
