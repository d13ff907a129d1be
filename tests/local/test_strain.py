"""Under strain: many clients, big uploads, clients that leave, a full disk; nothing grows and nothing is torn."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import socket
import ssl
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from local import launch

MEBI = 1 << 20
# MEGABYTES=1024 in the environment asks for a gigabyte.
MEGABYTES = int(os.environ.get("MEGABYTES", "64"))


class Caller:
    """Raw calls of one workspace."""

    def __init__(self, connection: launch.Connection) -> None:
        self.connection = connection
        group = f"/subscriptions/{connection.subscription_id}/resourceGroups/{connection.resource_group}"
        provider = f"{group}/providers/Microsoft.MachineLearningServices"
        self.base = f"{connection.arm}{provider}/workspaces/{connection.workspace_name}"
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.verify = connection.ca_bundle
        self.session.headers["Authorization"] = f"Bearer {connection.token()}"
        store = self.call("GET", "datastores/workspaceblobstore").json()["properties"]["containerName"]
        self.store = f"{connection.arm}/blob/acct/{store}"
        self.sas = self.call("POST", "datastores/workspaceblobstore/listSecrets").json()["sasToken"]

    def call(self, method: str, path: str, **more: Any) -> requests.Response:
        return self.session.request(method, f"{self.base}/{path}", timeout=60, **more)

    def blob(self, method: str, name: str, query: str = "", **more: Any) -> requests.Response:
        headers = {"x-ms-blob-type": "BlockBlob"} if method == "PUT" and not query else {}
        return self.session.request(
            method, f"{self.store}/{name}?{query}{self.sas}", timeout=60, headers=headers, **more
        )


@pytest.fixture
def caller(workspace: launch.Connection) -> Caller:
    return Caller(workspace)


def server(caller: Caller) -> psutil.Process:
    return psutil.Process(caller.connection.pid)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_big_blob_arrives_whole_and_is_not_held_in_memory(caller: Caller) -> None:
    """In blocks of four MiB: the same bytes come back, and the server grows by less than 32 MiB, however big it is."""
    count = MEGABYTES // 4
    before, sent = server(caller).memory_info().rss, hashlib.sha256()
    ids = [base64.b64encode(f"{index:06}".encode()).decode() for index in range(count)]
    for index, identifier in enumerate(ids):
        block = hashlib.sha256(str(index).encode()).digest() * (MEBI // 8)
        sent.update(block)
        assert caller.blob("PUT", "big", f"comp=block&blockid={identifier}&", data=block).status_code == 201
    names = "".join(f"<Latest>{identifier}</Latest>" for identifier in ids)
    listed = f"<?xml version='1.0'?><BlockList>{names}</BlockList>"
    assert caller.blob("PUT", "big", "comp=blocklist&", data=listed.encode()).status_code == 201
    found = hashlib.sha256()
    with caller.blob("GET", "big", stream=True) as answer:
        for chunk in answer.iter_content(MEBI):
            found.update(chunk)
    assert found.digest() == sent.digest()
    assert server(caller).memory_info().rss - before < 32 * MEBI
    assert list((Path(caller.connection.folder) / "staging").iterdir()) == []
    assert caller.blob("DELETE", "big").status_code == 202


def test_an_upload_that_breaks_off_leaves_nothing(caller: Caller, wait: Any) -> None:
    """A client that goes in the middle of a body has written no blob and no file."""
    folder = Path(caller.connection.folder) / "blobs"
    before = set(os.listdir(folder))
    host, _, port = caller.connection.arm.removeprefix("https://").partition(":")
    path = caller.store.removeprefix(caller.connection.arm)
    head = (
        f"PUT {path}/torn?{caller.sas} HTTP/1.1\r\nHost: {host}:{port}\r\nx-ms-blob-type: BlockBlob\r\n"
        f"Content-Length: {MEBI}\r\n\r\n"
    )
    context = ssl.create_default_context(cafile=caller.connection.ca_bundle)
    with socket.create_connection((host, int(port))) as plain, context.wrap_socket(plain, server_hostname=host) as one:
        one.sendall(head.encode() + b"x" * 1000)
        wait(lambda: set(os.listdir(folder)) - before)
    wait(lambda: set(os.listdir(folder)) == before)
    assert caller.blob("GET", "torn").status_code == 404


@pytest.mark.slow
def test_two_hundred_clients_at_once_are_all_answered(caller: Caller) -> None:
    """Reads and writes of two hundred threads, each with a connection of its own: no error, no lost write."""

    def work(number: int) -> int:
        mine = requests.Session()
        mine.trust_env = False
        mine.verify = caller.connection.ca_bundle
        mine.headers.update(caller.session.headers)
        uri = "azureml://datastores/workspaceblobstore/paths/x"
        url = f"{caller.base}/models/crowd/versions/{number}"
        made = mine.put(url, json={"properties": {"modelUri": uri}}, timeout=60).status_code
        return made if mine.get(url, timeout=60).status_code == 200 else 0

    with ThreadPoolExecutor(200) as crowd:
        assert set(crowd.map(work, range(1, 201))) == {201}
    newest = caller.call("GET", "models/crowd").json()["properties"]
    assert newest["nextVersion"] == "201"


@pytest.mark.slow
def test_memory_and_open_files_stay_flat(caller: Caller) -> None:
    """After a first thousand calls, three thousand more leave no file open and next to no memory taken."""

    def load(calls: int) -> None:
        for index in range(calls // 4):
            caller.call("GET", "models?$top=5")
            caller.call("PUT", "models/flat/versions/1", json={"properties": {"modelUri": "azureml://datastores/x"}})
            caller.call("GET", "jobs/none")
            caller.blob("PUT", "flat", data=bytes([index % 256]) * 1000)

    load(1000)
    files, memory = server(caller).num_fds(), server(caller).memory_info().rss
    load(3000)
    assert server(caller).num_fds() <= files + 5
    assert server(caller).memory_info().rss - memory < 8 * MEBI


def start_within(folder: Path, limit: str, value: int) -> Caller:
    """Start a workspace whose processes have a limit of the resource module."""
    program = (
        "import resource, signal\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"resource.setrlimit(resource.{limit}, ({value}, resource.getrlimit(resource.{limit})[1]))\n"
        "from pathlib import Path\n"
        "from local import launch\n"
        f"launch.ensure(Path({str(folder)!r}))\n"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(launch.__file__).parents[1])}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True, capture_output=True)
    found = launch.find(folder)
    assert found is not None
    return Caller(found)


@pytest.fixture
def narrow(folder: Path) -> Caller:
    """A workspace that can write no file past two megabytes: what a full disk is to a writer."""
    return start_within(folder, "RLIMIT_FSIZE", 2 * MEBI)


def test_a_disk_that_is_full_fails_the_write_and_nothing_else(narrow: Caller) -> None:
    """The write is an error with a reason and leaves no bytes; smaller ones and reads go on."""
    refused = narrow.blob("PUT", "large", data=b"x" * (3 * MEBI))
    assert refused.status_code == 409
    assert refused.headers["x-ms-error-code"] == "InsufficientStorage"
    assert "File too large" in refused.text
    assert narrow.blob("GET", "large").status_code == 404
    assert narrow.blob("PUT", "small", data=b"x" * MEBI).status_code == 201
    assert narrow.blob("GET", "small").content == b"x" * MEBI
    files = list((Path(narrow.connection.folder) / "blobs").iterdir())
    assert [file.stat().st_size for file in files] == [MEBI]


@pytest.mark.slow
def test_strangers_who_take_all_its_files_are_outlasted(folder: Path, wait: Any) -> None:
    """With more clients than it may have open files it says so once, and answers again when they have gone."""
    poor = start_within(folder, "RLIMIT_NOFILE", 80)
    host, _, port = poor.connection.scoring.removeprefix("http://").partition(":")
    log = launch.log_file(folder)
    before = log.stat().st_size
    with contextlib.ExitStack() as stack:
        for _ in range(150):
            stack.enter_context(socket.create_connection((host, int(port)), timeout=10))
        wait(lambda: "Too many open files" in log.read_text())
    wait(lambda: requests.get(f"{poor.connection.scoring}/none/score", timeout=30).status_code == 404)
    assert poor.call("GET", "jobs").status_code == 200
    assert log.read_text().count("out of system resource") == 1
    assert log.stat().st_size - before < 10_000
