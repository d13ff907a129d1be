"""The machine's clock is set while a server runs: far forward, and far back. One server, in the order of the tests."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from local import launch
from local.wire.guard import SAS_SECONDS

pytestmark = pytest.mark.slow
YEAR = 365 * 86400


class Clocked:
    """A workspace, and the hands of its clock."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.hands = folder / "state", folder / "offset"
        self.set(0)
        self.process: subprocess.Popen[bytes] | None = None

    def set(self, seconds: float) -> None:
        """Put the clock off by so many seconds."""
        new = self.hands.with_suffix(".new")
        new.write_text(str(seconds))
        new.replace(self.hands)

    def start(self, wait: Any) -> None:
        script = Path(__file__).with_name("clocked.py")
        environment = os.environ | {"PYTHONPATH": str(Path(launch.__file__).parents[1])}
        with (self.hands.with_name("server.log")).open("ab") as log:
            command = [sys.executable, script, self.hands, self.folder]
            self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        self.connection: launch.Connection = wait(lambda: launch.find(self.folder), 60)
        one = self.connection
        group = f"{one.arm}/subscriptions/{one.subscription_id}/resourceGroups/{one.resource_group}"
        self.base = f"{group}/providers/Microsoft.MachineLearningServices/workspaces/{one.workspace_name}"
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.verify = one.ca_bundle
        self.session.headers["Authorization"] = f"Bearer {one.token()}"

    def stop(self) -> None:
        assert self.process is not None
        self.process.terminate()
        self.process.wait(60)

    def call(self, method: str, path: str, body: Any = None) -> requests.Response:
        return self.session.request(method, f"{self.base}/{path}", json=body, timeout=60)

    def job(self, name: str, command: str = "sleep 0.5") -> None:
        properties = {"jobType": "Command", "command": command, "environmentId": "azureml:AzureML-x:1"}
        assert self.call("PUT", f"jobs/{name}", {"properties": properties}).status_code == 201

    def status(self, name: str) -> str:
        return str(self.call("GET", f"jobs/{name}").json()["properties"]["status"])

    def seconds(self, name: str) -> float:
        """Return how long a job ran, by what run history says of it."""
        address = self.base.replace(self.connection.arm, f"{self.connection.arm}/history/v1.0")
        found = self.session.get(f"{address}/runs/{name}/details", timeout=60).json()
        start, end = (datetime.fromisoformat(found[f"{each}TimeUtc"]) for each in ("start", "end"))
        return (end - start).total_seconds()

    def blob(self, sas: str, name: str) -> int:
        store = self.call("GET", "datastores/workspaceblobstore").json()["properties"]["containerName"]
        address = f"{self.connection.arm}/blob/acct/{store}/{name}?{sas}"
        return self.session.put(address, data=b"x", headers={"x-ms-blob-type": "BlockBlob"}, timeout=60).status_code

    def sas(self) -> str:
        return str(self.call("POST", "datastores/workspaceblobstore/listSecrets").json()["sasToken"])


@pytest.fixture(scope="module")
def clocked(tmp_path_factory: pytest.TempPathFactory, wait: Any) -> Iterator[Clocked]:
    made = Clocked(tmp_path_factory.mktemp("clocked"))
    made.start(wait)
    yield made
    made.stop()


@pytest.mark.parametrize("jump", [YEAR, -YEAR])
def test_a_job_under_way_ends_after_as_long_as_it_ran(clocked: Clocked, wait: Any, jump: float) -> None:
    """A year more or less on the clock is none in a job's duration, which is never negative, and stops no job."""
    clocked.set(0)
    name = f"through{jump}".replace("-", "back")
    clocked.job(name, f"until test -e {clocked.folder}/{name}; do sleep 0.05; done")
    wait(lambda: clocked.status(name) == "Running", 60)
    clocked.set(jump)
    clocked.job(f"{name}-after")
    (clocked.folder / name).touch()
    wait(lambda: clocked.status(f"{name}-after") == "Completed", 60)
    assert clocked.status(name) == "Completed"
    assert 0 <= clocked.seconds(name) < 86400
    assert 0 <= clocked.seconds(f"{name}-after") < 86400


def test_jobs_are_listed_in_the_order_in_which_they_came(clocked: Clocked) -> None:
    """The newest first, whatever their times say."""
    clocked.set(-YEAR)
    clocked.job("last")
    clocked.set(0)
    names = [each["name"] for each in clocked.call("GET", "jobs").json()["value"]]
    assert names == ["last", "throughback31536000-after", "throughback31536000",
                     "through31536000-after", "through31536000"]  # fmt: skip


def test_what_is_changed_is_changed_after_it_was_made(clocked: Clocked) -> None:
    """An asset of before the clock was set back does not show a change that precedes it."""
    path = "models/m/versions/1"
    uri = "azureml://datastores/workspaceblobstore/paths/x"
    assert clocked.call("PUT", path, {"properties": {"modelUri": uri}}).status_code == 201
    clocked.set(-YEAR)
    body = {"properties": {"modelUri": uri, "tags": {"a": "b"}}}
    shown = clocked.call("PUT", path, body).json()["systemData"]
    assert shown["lastModifiedAt"] >= shown["createdAt"]


@pytest.mark.parametrize("jump", [YEAR, -YEAR])
def test_a_signature_neither_dies_nor_lives_longer(clocked: Clocked, jump: float) -> None:
    """An upload goes on with the signature that it has, and a new one ends a day after the server's own time."""
    clocked.set(0)
    sas = clocked.sas()
    assert clocked.blob(sas, "before") == 201
    clocked.set(jump)
    assert clocked.blob(sas, "after") == 201
    first, second = (requests.models.PreparedRequest() for _ in range(2))
    for each, text in ((first, sas), (second, clocked.sas())):
        each.prepare_url(f"https://x/?{text}", None)
    ends = [datetime.fromisoformat(requests.utils.unquote(str(each.url)).partition("se=")[2].partition("&")[0])
            for each in (first, second)]  # fmt: skip
    assert abs(ends[1] - ends[0]) < timedelta(seconds=SAS_SECONDS / 2)


@pytest.mark.parametrize("jump", [YEAR, -YEAR])
def test_a_scoring_token_and_long_work_outlive_it(clocked: Clocked, wait: Any, jump: float) -> None:
    """A token that was given opens the endpoint still, operations end, and the metrics of now are answered."""
    clocked.set(0)
    name = f"endp{'oint' if jump > 0 else ''}"
    made = clocked.call("PUT", f"onlineEndpoints/{name}", {"location": "x", "properties": {"authMode": "AMLToken"}})
    assert made.status_code == 201
    token = clocked.call("POST", f"onlineEndpoints/{name}/token").json()["accessToken"]
    address = clocked.call("GET", f"onlineEndpoints/{name}").json()["properties"]["scoringUri"]

    def score(secret: str) -> int:
        return requests.post(address, headers={"Authorization": f"Bearer {secret}"}, json={}, timeout=60).status_code

    assert (score(token), score("wrong")) == (404, 401)
    clocked.set(jump)
    assert (score(token), score("wrong")) == (404, 401)
    asked = "metrics?metricnames=RequestsPerMinute&aggregation=Total&api-version=2024-02-01"
    counted = clocked.call("GET", f"onlineEndpoints/{name}/providers/Microsoft.Insights/{asked}")
    [series] = counted.json()["value"][0]["timeseries"]
    assert sum(point.get("total", 0) for point in series["data"]) == 2, "those since the clock was set"
    assert clocked.call("DELETE", f"onlineEndpoints/{name}").status_code == 202
    wait(lambda: clocked.call("GET", f"onlineEndpoints/{name}").status_code == 404, 60)


def test_after_a_restart_a_signature_of_the_future_opens_nothing(clocked: Clocked, wait: Any) -> None:
    """Given by a server whose clock went a year ahead, it would live a year and a day; it is refused."""
    clocked.set(YEAR)
    clocked.stop()
    clocked.start(wait)
    sas = clocked.sas()
    assert clocked.blob(sas, "ahead") == 201
    clocked.set(0)
    clocked.stop()
    clocked.start(wait)
    assert clocked.blob(sas, "ahead") == 403
    assert clocked.blob(clocked.sas(), "ahead") == 201
