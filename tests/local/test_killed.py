"""kill -9 at any moment of the whole flow: what was acknowledged is there, nothing is stuck, nothing is left behind.

KILLS=200 in the environment asks for as many kills (20 unless said); the first seed is SEED (1 unless said).
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from local import launch

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

KILLS = int(os.environ.get("KILLS", "20"))
SEED = int(os.environ.get("SEED", "1"))
SCRIPT = b"def init(): pass\ndef run(data): return 1\n"
# What the control plane says while it works; all else is an end.
UNDER_WAY = {"Creating", "Updating", "Deleting", "Queued", "Preparing", "Running", "Finalizing", "CancelRequested"}


class Client:
    """Raw calls of a workspace whose server comes and goes, and what of them was acknowledged."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.acknowledged: dict[str, Any] = {}
        self.blobs: dict[str, bytes] = {}
        self.count = 0
        self.connect()

    def connect(self) -> None:
        self.connection = launch.ensure(self.folder)
        one = self.connection
        group = f"/subscriptions/{one.subscription_id}/resourceGroups/{one.resource_group}"
        self.base = f"{one.arm}{group}/providers/Microsoft.MachineLearningServices/workspaces/{one.workspace_name}"
        self.session = requests.Session()
        # Else a bundle named in the environment would count for more.
        self.session.trust_env = False
        self.session.verify = one.ca_bundle
        self.session.headers["Authorization"] = f"Bearer {one.token()}"

    def call(self, method: str, path: str, body: Any = None) -> requests.Response:
        return self.session.request(method, f"{self.base}/{path}", json=body, timeout=30)

    def get(self, path: str) -> Any:
        answer = self.call("GET", path)
        assert answer.status_code == 200, f"{path}: {answer.text}"
        return answer.json()

    def put(self, path: str, body: Any) -> None:
        """Write, and note it as acknowledged if it was."""
        answer = self.call("PUT", path, body)
        if answer.status_code == 409 and "Another operation" in answer.text:
            return
        assert answer.status_code in (200, 201), f"{path}: {answer.text}"
        self.acknowledged[path] = body

    def upload(self, name: str, data: bytes) -> None:
        store = self.get("datastores/workspaceblobstore")["properties"]["containerName"]
        sas = self.call("POST", "datastores/workspaceblobstore/listSecrets").json()["sasToken"]
        url = f"{self.connection.arm}/blob/acct/{store}/{name}?{sas}"
        self.blobs[name] = data
        headers = {"x-ms-blob-type": "BlockBlob"}
        if self.session.put(url, data=data, headers=headers, timeout=30).status_code == 201:
            self.acknowledged[f"blob {name}"] = data

    def settled(self, path: str) -> bool:
        properties = self.get(path)["properties"]
        return properties.get("provisioningState", properties.get("status")) not in UNDER_WAY


class Flow:
    """The steps that a release is made of, each a call or two, with names of their own each time."""

    def __init__(self, client: Client, chance: random.Random) -> None:
        self.client = client
        self.chance = chance

    def run(self) -> None:
        """Do a random sequence of steps until the server is gone."""
        steps: list[Callable[[], None]] = [self.blob, self.model, self.job, self.endpoint, self.deploy, self.shift]
        while True:
            self.client.count += 1
            self.chance.choice(steps)()

    def blob(self) -> None:
        size = self.chance.choice([10, 100_000, 3_000_000])
        self.client.upload(f"kept/{self.client.count}", self.chance.randbytes(size))

    def model(self) -> None:
        uri = f"azureml://datastores/workspaceblobstore/paths/kept/{self.client.count}"
        self.client.put(f"models/m/versions/{self.client.count}", {"properties": {"modelUri": uri}})

    def job(self) -> None:
        line = self.chance.choice(["true", "sleep 0.3", "sleep 60 & sleep 0.2; kill $!"])
        body = {
            "jobType": "Command",
            "command": line,
            "environmentId": "azureml:AzureML-x:1",
            "computeId": "serverless",
        }
        self.client.put(f"jobs/job{self.client.count}", {"properties": body})

    def endpoint(self) -> None:
        self.client.put("onlineEndpoints/endp", self.described())

    def described(self) -> dict[str, Any]:
        """Return the endpoint as it is now, to be put again: a whole PUT replaces it."""
        answer = self.client.call("GET", "onlineEndpoints/endp")
        if answer.status_code == 404:
            return {"location": "local", "properties": {"authMode": "Key"}}
        found = answer.json()["properties"]
        kept = {key: found[key] for key in ("authMode", "traffic", "mirrorTraffic")}
        return {"location": "local", "tags": {"count": str(self.client.count)}, "properties": kept}

    def deploy(self) -> None:
        if "onlineEndpoints/endp" not in self.client.acknowledged:
            return
        name = self.chance.choice(["blue", "green"])
        body = {
            "endpointComputeType": "Managed",
            "codeConfiguration": {"codeId": f"{self.code()}", "scoringScript": "score.py"},
            "environmentVariables": {"N": str(self.client.count)},
        }
        deployment = {"location": "local", "sku": {"capacity": 1}, "properties": body}
        self.client.put(f"onlineEndpoints/endp/deployments/{name}", deployment)

    def code(self) -> str:
        self.client.upload("code/score.py", SCRIPT)
        store = self.client.get("datastores/workspaceblobstore")["properties"]["containerName"]
        path = f"codes/c/versions/{zlib.crc32(SCRIPT)}"
        uri = f"{self.client.connection.arm}/blob/acct/{store}/code"
        self.client.put(path, {"properties": {"codeUri": uri}})
        return f"{self.client.base.removeprefix(self.client.connection.arm)}/{path}"

    def shift(self) -> None:
        ready = [
            name
            for name in ("blue", "green")
            if f"onlineEndpoints/endp/deployments/{name}" in self.client.acknowledged
            and self.client.get(f"onlineEndpoints/endp/deployments/{name}")["properties"]["provisioningState"]
            == "Succeeded"
        ]
        if ready:
            body = self.described()
            body["properties"]["traffic"] = {self.chance.choice(ready): 100}
            self.client.put("onlineEndpoints/endp", body)


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
        client.connect()
        try:
            check(client, wait)
        except AssertionError as error:
            error.add_note(f"seed {seed}, killed after {delay:.3f} s")
            raise
        client.blobs.clear()
        for path in [path for path in client.acknowledged if not path.startswith("onlineEndpoints")]:
            del client.acknowledged[path]
