"""What an endpoint and a deployment ask for in their YAML or their entity, they get: through the SDK, on the wire."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests
from azure.ai.ml.entities import ManagedOnlineEndpoint, OnlineRequestSettings, ProbeSettings
from azure.core.exceptions import HttpResponseError

from .test_deployments import Site

pytestmark = pytest.mark.slow
SCRIPT = """
import json, os, time

def init():
    print("init of", os.environ["WHO"])
    while os.environ.get("HANGS"):
        time.sleep(1)

def run(body):
    asked = json.loads(body)
    with open(os.environ["SEEN"], "a") as file:
        file.write(os.environ["WHO"] + "\\n")
    while asked.get("gate") and not os.path.exists(asked["gate"]):
        time.sleep(0.01)
    return {"pid": os.getpid(), "who": os.environ["WHO"]}
"""


class Asked(Site):
    """An endpoint whose script tells its process, waits for a gate, and notes each of its calls."""

    def __init__(self, client: Any, folder: Path) -> None:
        super().__init__(client, "asked", folder)
        (self.code / "score.py").write_text(SCRIPT)
        self.seen = folder / "seen"
        self.seen.touch()
        self.address = str(self.get().scoring_uri)

    def describe(self, name: str, **more: Any) -> Any:
        variables = {"SEEN": str(self.seen)} | more.pop("environment_variables", {})
        return super().describe(name, environment_variables=variables, **more)

    def call(self, deployment: str, **body: str) -> requests.Response:
        key = self.client.online_endpoints.get_keys(self.name).primary_key
        headers = {"Authorization": f"Bearer {key}"}
        if deployment:
            headers["azureml-model-deployment"] = deployment
        return requests.post(self.address, json=body, headers=headers, timeout=60)


@pytest.fixture(scope="module")
def asked(ml_client: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    made = Asked(ml_client, tmp_path_factory.mktemp("asked"))
    yield made
    ml_client.online_endpoints.begin_delete("asked").result()


def test_two_instances_are_two_processes(asked: Asked, wait: Any) -> None:
    """`instance_count: 2` starts two servers, and both answer."""
    asked.deploy("blue", instance_count=2)
    asked.shift(blue=100)
    wait(lambda: len({asked.call("").json()["pid"] for _ in range(8)}) == 2)
    assert asked.client.online_deployments.get("blue", asked.name).instance_count == 2


def test_a_request_over_its_time_is_a_408(asked: Asked, tmp_path: Path) -> None:
    """`request_timeout_ms` ends a request that the model does not. (The SDK reads it back in whole seconds.)"""
    asked.deploy("brief", request_settings=OnlineRequestSettings(request_timeout_ms=1000))
    answer = asked.call("brief", gate=str(tmp_path / "gate"))
    (tmp_path / "gate").touch()
    assert answer.status_code == 408
    assert asked.client.online_deployments.get("brief", asked.name).request_settings.request_timeout_ms == 1000
    asked.client.online_deployments.begin_delete("brief", asked.name).result()


def test_more_than_twice_the_concurrency_is_a_429(asked: Asked, tmp_path: Path, wait: Any) -> None:
    """With one request at a time on one instance at most two are taken; the rest is told to come again."""
    settings = OnlineRequestSettings(max_concurrent_requests_per_instance=1, request_timeout_ms=60_000)
    asked.deploy("narrow", request_settings=settings)
    gate = tmp_path / "gate"
    before = asked.seen.read_text().count("narrow")
    with ThreadPoolExecutor(6) as pool:
        calls = [pool.submit(asked.call, "narrow", gate=str(gate)) for _ in range(6)]
        wait(lambda: sum(each.done() for each in calls) >= 4)
        gate.touch()
        found = [each.result() for each in calls]
    statuses = sorted(each.status_code for each in found)
    assert statuses[0] == 200
    assert set(statuses) == {200, 429}
    assert statuses.count(429) >= 4
    assert asked.seen.read_text().count("narrow") - before == statuses.count(200)
    asked.client.online_deployments.begin_delete("narrow", asked.name).result()


def test_the_probes_are_its_own(asked: Asked) -> None:
    """A server that never gets up is Failed when its own liveness probe says so, and not after Azure's 310 seconds."""
    probe = ProbeSettings(initial_delay=1, period=1, timeout=1, failure_threshold=2, success_threshold=1)
    with pytest.raises(HttpResponseError):
        asked.deploy("hangs", liveness_probe=probe, environment_variables={"HANGS": "yes"})
    found = asked.client.online_deployments.get("hangs", asked.name)
    assert found.provisioning_state == "Failed"
    assert (found.liveness_probe.failure_threshold, found.liveness_probe.period) == (2, 1)
    asked.client.online_deployments.begin_delete("hangs", asked.name).result()


def test_an_endpoint_has_at_most_twenty_deployments(ml_client: Any, workspace: Any) -> None:
    """The next one is refused; those that failed, here for want of their model's files, count as well."""
    made = ml_client.online_endpoints.begin_create_or_update(ManagedOnlineEndpoint(name="crowded")).result()
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {workspace.token()}"
    model = f"{made.id.partition('/onlineEndpoints/')[0]}/models/hollow/versions/1"
    hollow = {"modelUri": "azureml://datastores/workspaceblobstore/paths/none", "modelType": "mlflow_model"}
    session.put(f"{workspace.arm}{model}", json={"properties": hollow}, timeout=30).raise_for_status()
    body = {"location": "local", "properties": {"endpointComputeType": "Managed", "model": model}}

    def put(number: int) -> int:
        return session.put(f"{workspace.arm}{made.id}/deployments/number-{number}", json=body, timeout=30).status_code

    assert [put(number) for number in range(21)] == [201] * 20 + [400]
    ml_client.online_endpoints.begin_delete("crowded").result()


def test_both_containers_have_logs(asked: Asked) -> None:
    """What the script printed is in the inference server's, and what was laid out for it in the initializer's."""
    said = asked.client.online_deployments.get_logs("blue", asked.name, lines=200)
    assert "init of blue" in said
    said = asked.client.online_deployments.get_logs("blue", asked.name, lines=50, container_type="storage-initializer")
    assert asked.model.name in said


def test_mirrored_traffic_is_a_share_of_copies(asked: Asked, wait: Any) -> None:
    """Green gets copies of half of blue's requests, answers nobody, and cannot have live traffic beside them."""
    asked.deploy("green")
    endpoint = asked.get()
    endpoint.mirror_traffic = {"green": 50}
    asked.put(endpoint)
    before = asked.seen.read_text().count("green")
    answers = [asked.call("").json()["who"] for _ in range(60)]
    assert set(answers) == {"blue"}
    wait(lambda: asked.seen.read_text().count("green") > before)
    endpoint = asked.get()
    assert endpoint.mirror_traffic == {"green": 50}
    endpoint.mirror_traffic = {"green": 51}
    with pytest.raises(HttpResponseError, match="50"):
        asked.put(endpoint)
    endpoint.mirror_traffic = {}
    assert not asked.put(endpoint).mirror_traffic


def test_the_second_key_rotates_alone(asked: Asked) -> None:
    """The primary key stays; the old secondary one opens nothing any more."""
    keys = asked.client.online_endpoints
    old = keys.get_keys(asked.name)
    keys.begin_regenerate_keys(asked.name, key_type="secondary").result()
    new = keys.get_keys(asked.name)
    assert new.primary_key == old.primary_key
    status = [
        requests.post(asked.address, json={}, headers={"Authorization": f"Bearer {key}"}, timeout=30).status_code
        for key in (new.primary_key, new.secondary_key, old.secondary_key)
    ]
    assert status == [200, 200, 401]
