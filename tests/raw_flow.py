"""The steps of a release as raw calls, at random, on a server that comes and goes; and what was acknowledged."""

from __future__ import annotations

import random
import re
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests

from local import launch

SCRIPT = b"def init(): pass\ndef run(data): return 1\n"
# What the control plane says while it works; all else is an end.
UNDER_WAY = {"Creating", "Updating", "Deleting", "Queued", "Preparing", "Running", "Finalizing", "CancelRequested"}


class Client:
    """Raw calls of a workspace whose server comes and goes, and what of them was acknowledged."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.acknowledged: dict[str, Any] = {}
        self.blobs: dict[str, bytes] = {}
        self.deleted: set[str] = set()
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
        """Write, and note it as acknowledged if it was; one without an answer may be there again or not."""
        gone = path in self.deleted
        self.deleted.discard(path)
        answer = self.call("PUT", path, body)
        if answer.status_code == 409 and "Another operation" in answer.text:
            self.deleted |= {path} if gone else set()
            return
        assert answer.status_code in (200, 201), f"{path}: {answer.text}"
        self.acknowledged[path] = body

    def delete(self, path: str) -> None:
        """Delete, and note it as gone if that was acknowledged; one without an answer may have been done or not."""
        body = self.acknowledged.pop(path)
        answer = self.call("DELETE", path)
        if answer.status_code in (200, 202):
            self.deleted.add(path)
        else:
            assert answer.status_code in (400, 409), f"{path}: {answer.text}"
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
        steps: list[Callable[[], None]] = [
            self.blob, self.model, self.job, self.endpoint, self.deploy, self.shift, self.retire, self.cancel
        ]  # fmt: skip
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

    def retire(self) -> None:
        """Delete a deployment, which is refused while it has traffic or is worked on, or a model version."""
        known = [path for path in self.client.acknowledged if re.search("/deployments/|^models/", path)]
        if known:
            self.client.delete(self.chance.choice(known))

    def cancel(self) -> None:
        known = [path for path in self.client.acknowledged if path.startswith("jobs/")]
        if known:
            answer = self.client.call("POST", f"{self.chance.choice(known)}/cancel")
            assert answer.status_code in (202, 400), answer.text
