"""Endpoints and deployments through the real SDK, with real inference servers behind them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from azure.ai.ml.entities import (
    CodeConfiguration,
    Environment,
    ManagedOnlineDeployment,
    ManagedOnlineEndpoint,
    Model,
    OnlineRequestSettings,
    ProbeSettings,
)
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

from local import launch

SCRIPT = """
import os, time

def init():
    global files
    while os.environ.get("GATE") and not os.path.exists(os.environ["GATE"]):
        time.sleep(0.02)
    if os.environ.get("BROKEN"):
        raise RuntimeError("the model does not load")
    top = os.environ["AZUREML_MODEL_DIR"]
    files = sorted(os.path.relpath(os.path.join(at, name), top) for at, _, names in os.walk(top) for name in names)

def run(body):
    return {"who": os.environ["WHO"], "files": files, "token": [k for k in os.environ if "TOKEN" in k]}
"""


class Site:
    """One endpoint and the means to deploy on it."""

    def __init__(self, client: Any, name: str, folder: Path) -> None:
        self.client = client
        self.name = name
        self.code = folder / "code"
        self.code.mkdir()
        (self.code / "score.py").write_text(SCRIPT)
        model = folder / "model"
        model.mkdir()
        (model / "weights.txt").write_text("1")
        self.model = client.models.create_or_update(Model(name=f"{name}-model", path=str(model)))
        self.put(ManagedOnlineEndpoint(name=name, auth_mode="key", tags={"team": "blue"}))

    def put(self, endpoint: Any) -> Any:
        return self.client.online_endpoints.begin_create_or_update(endpoint).result()

    def get(self) -> Any:
        return self.client.online_endpoints.get(self.name)

    def split(self) -> dict[str, int]:
        """Return the deployments that have traffic (the SDK adds the others with 0)."""
        return {name: share for name, share in self.get().traffic.items() if share}

    def shift(self, **traffic: int) -> Any:
        endpoint = self.get()
        endpoint.traffic = traffic
        return self.put(endpoint)

    def describe(self, name: str, **more: Any) -> ManagedOnlineDeployment:
        variables = {"WHO": name} | more.pop("environment_variables", {})
        return ManagedOnlineDeployment(
            **{
                "name": name,
                "endpoint_name": self.name,
                "model": f"azureml:{self.model.name}:{self.model.version}",
                "code_configuration": CodeConfiguration(code=str(self.code), scoring_script="score.py"),
                "environment": Environment(image="none", conda_file={"name": "x", "dependencies": ["python"]}),
                "instance_type": "Standard_DS3_v2",
                "instance_count": 1,
                "environment_variables": variables,
            }
            | more
        )

    def deploy(self, name: str, **more: Any) -> Any:
        return self.client.online_deployments.begin_create_or_update(self.describe(name, **more)).result()

    def ask(self, **headers: str) -> requests.Response:
        key = self.client.online_endpoints.get_keys(self.name).primary_key
        return requests.post(
            self.get().scoring_uri, json={}, headers={"Authorization": f"Bearer {key}"} | headers, timeout=30
        )


@pytest.fixture(scope="module")
def site(ml_client: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """An endpoint whose blue has all the traffic."""
    site = Site(ml_client, "site", tmp_path_factory.mktemp("site"))
    site.deploy("blue")
    site.shift(blue=100)
    yield site
    ml_client.online_endpoints.begin_delete("site").result()


def test_row_14_a_deployment_serves_its_model(site: Site) -> None:
    """A deployment answers with its own script; the registered folder keeps its name; no token is around."""
    answer = site.ask()
    assert answer.status_code == 200
    assert answer.json() == {"who": "blue", "files": ["model/weights.txt"], "token": []}
    assert answer.headers["azureml-model-deployment"] == "blue"


def test_the_sdk_invokes_it(site: Site, tmp_path: Path) -> None:
    """invoke fetches the key by itself and gives the body as text."""
    (tmp_path / "request.json").write_text("{}")
    said = site.client.online_endpoints.invoke(site.name, request_file=str(tmp_path / "request.json"))
    assert json.loads(said)["who"] == "blue"


def test_row_13_an_update_keeps_what_was_read_before(site: Site) -> None:
    """Get, modify, put: tags and traffic stay, the change is there."""
    endpoint = site.get()
    endpoint.description = "said later"
    site.put(endpoint)
    after = site.get()
    assert (after.description, site.split(), after.tags) == ("said later", {"blue": 100}, {"team": "blue"})
    assert after.provisioning_state == "Succeeded"


def test_row_14_a_script_that_raises_in_init_fails_and_shows_its_log(site: Site) -> None:
    """The deployment is Failed, stays, its log says why, it gets no traffic, and it can be deleted."""
    with pytest.raises(HttpResponseError, match="User container has crashed"):
        site.deploy("broken", environment_variables={"BROKEN": "1"})
    found = site.client.online_deployments.get("broken", site.name)
    assert found.provisioning_state == "Failed"
    assert "the model does not load" in site.client.online_deployments.get_logs("broken", site.name, lines=200)
    with pytest.raises(HttpResponseError, match="cannot have traffic: its provisioning state is Failed"):
        site.shift(blue=90, broken=10)
    assert site.split() == {"blue": 100}
    site.client.online_deployments.begin_delete("broken", site.name).result()
    assert [each.name for each in site.client.online_deployments.list(site.name)] == ["blue"]


@pytest.mark.parametrize(
    ("traffic", "said"),
    [
        ({"blue": 90}, "must be 0 or 100"),
        ({"blue": 120}, "whole number from 0 to 100|must be 0 or 100"),
        ({"red": 100}, "does not exist"),
    ],
)
def test_row_23_traffic_that_breaks_a_rule_changes_nothing(site: Site, traffic: dict[str, int], said: str) -> None:
    """A wrong sum or an unknown colour is refused, and the split stays."""
    with pytest.raises(HttpResponseError, match=said):
        site.shift(**traffic)
    assert site.split() == {"blue": 100}
    assert site.ask().status_code == 200


def test_row_26_a_deployment_with_traffic_is_not_deleted(site: Site) -> None:
    """Deleting the live colour is refused."""
    with pytest.raises(HttpResponseError, match="100 % of live traffic"):
        site.client.online_deployments.begin_delete("blue", site.name).result()


def test_rows_15_20_24_26_blue_to_green_and_back(site: Site) -> None:
    """Green starts without traffic, is reached by the pin, takes all, gives it back at once, and goes away."""
    site.deploy("green")
    assert site.get().traffic.get("green", 0) == 0
    assert site.ask().json()["who"] == "blue"
    assert site.ask(**{"azureml-model-deployment": "green"}).json()["who"] == "green"
    site.shift(blue=0, green=100)
    assert {site.ask().json()["who"] for _ in range(5)} == {"green"}
    site.shift(blue=100, green=0)
    assert {site.ask().json()["who"] for _ in range(5)} == {"blue"}
    site.client.online_deployments.begin_delete("green", site.name).result()
    assert site.split() == {"blue": 100}


def test_keys_rotate(site: Site) -> None:
    """After a rotation the old primary key is refused, the new one and the secondary one are taken."""
    uri = site.get().scoring_uri
    old = site.client.online_endpoints.get_keys(site.name)
    site.client.online_endpoints.begin_regenerate_keys(site.name, key_type="primary").result()
    new = site.client.online_endpoints.get_keys(site.name)
    assert new.secondary_key == old.secondary_key
    status = {
        key: requests.post(uri, json={}, headers={"Authorization": f"Bearer {key}"}, timeout=30).status_code
        for key in (old.primary_key, new.primary_key, new.secondary_key)
    }
    assert list(status.values()) == [401, 200, 200]


@pytest.mark.slow
def test_an_overlapping_update_is_a_conflict(site: Site, tmp_path: Path) -> None:
    """A second update of a deployment whose first is under way is answered 409."""
    gate = tmp_path / "gate"
    slow = site.describe("slow", environment_variables={"GATE": str(gate)})
    poller = site.client.online_deployments.begin_create_or_update(slow)
    with pytest.raises(HttpResponseError, match="Another operation is running") as caught:
        site.client.online_deployments.begin_create_or_update(site.describe("slow"))
    assert caught.value.status_code == 409
    gate.touch()
    poller.result()
    site.client.online_deployments.begin_delete("slow", site.name).result()


@pytest.mark.parametrize(
    ("more", "error", "said"),
    [
        ({"model": "azureml:absent:7"}, ResourceNotFoundError, "absent and version: 7 not found"),
        ({"instance_count": 51}, HttpResponseError, "1 to 50"),
        ({"liveness_probe": ProbeSettings(success_threshold=-1)}, HttpResponseError, "liveness probe of deployment"),
        ({"readiness_probe": ProbeSettings(failure_threshold=-1)}, HttpResponseError, "readiness probe of deployment"),
        ({"environment_variables": {"A=B": "1"}}, HttpResponseError, "'A=B' cannot be the name of an environment"),
        (
            {"request_settings": OnlineRequestSettings(max_concurrent_requests_per_instance=-1)},
            HttpResponseError,
            "at least one request at a time",
        ),
        ({"endpoint_name": "absent"}, ResourceNotFoundError, "absent not found"),
    ],
)
def test_a_deployment_that_cannot_be_is_refused_at_once(
    site: Site, more: dict[str, Any], error: type[Exception], said: str
) -> None:
    """An absent model, too many instances or an absent endpoint start nothing."""
    description = site.describe(more.pop("name", "fine"), **more)
    with pytest.raises(error, match=said):
        site.client.online_deployments.begin_create_or_update(description)
    assert [each.name for each in site.client.online_deployments.list(site.name)] == ["blue"]


@pytest.mark.parametrize("name", ["ab", "1abc", "a_b", "a" * 33, "abc-"])
def test_endpoint_names_follow_the_rule(ml_client: Any, name: str) -> None:
    """Names too short, too long, or with other characters are refused."""
    with pytest.raises(Exception, match=r"not valid|[Ii]nvalid|must"):
        ml_client.online_endpoints.begin_create_or_update(ManagedOnlineEndpoint(name=name)).result()


@pytest.mark.parametrize(
    ("tags", "said"),
    [
        ({f"tag{number}": "x" for number in range(51)}, "51 tags"),
        ({"a": "x" * 257}, "more than 256 characters"),
        ({"a/b": "x"}, "cannot be a tag's name"),
        ({"n" * 513: "x"}, "cannot be a tag's name"),
    ],
    ids=["too many", "too long a value", "a letter that is none", "too long a name"],
)
def test_tags_that_azure_would_not_keep_are_refused(ml_client: Any, tags: dict[str, str], said: str) -> None:
    """Azure Resource Manager's limits: whoever keeps its memory in tags must meet them here."""
    from azure.core.exceptions import HttpResponseError

    with pytest.raises(HttpResponseError, match=said):
        ml_client.online_endpoints.begin_create_or_update(ManagedOnlineEndpoint(name="tagged", tags=tags)).result()


@pytest.mark.parametrize("mode", ["aml_token", "aad_token"])
def test_token_modes_let_the_sdk_in_and_nobody_else(ml_client: Any, workspace: Any, mode: str) -> None:
    """With token authentication the SDK's token opens the endpoint (404: nothing is deployed), others do not."""
    name = mode.replace("_", "-")
    endpoint = ml_client.online_endpoints.begin_create_or_update(
        ManagedOnlineEndpoint(name=name, auth_mode=mode)
    ).result()
    keys = ml_client.online_endpoints.get_keys(name)
    wrong = [f"{10**10}.{'0' * 64}", f"{'9' * 5000}.0", "1", ".", "\xb2.\xe9"]
    status = [
        requests.post(endpoint.scoring_uri, headers={"Authorization": f"Bearer {key}"}, timeout=30).status_code
        for key in (keys.access_token, *wrong)
    ]
    assert status == [404, *[401] * len(wrong)]
    ml_client.online_endpoints.begin_delete(name).result()
    with pytest.raises(ResourceNotFoundError):
        ml_client.online_endpoints.get(name)


@pytest.mark.slow
def test_a_killed_server_serves_again(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After kill -9 and a start, the endpoint, its key and its traffic are as before, and it answers."""
    import os
    import signal

    from tests.local.conftest import make_client

    connection = launch.ensure(folder)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", connection.ca_bundle)
    site = Site(make_client(connection), "again", tmp_path)
    site.deploy("blue")
    site.shift(blue=100)
    uri, key = site.get().scoring_uri, site.client.online_endpoints.get_keys("again").primary_key
    os.kill(connection.pid, signal.SIGKILL)
    after = launch.ensure(folder)
    assert after.pid != connection.pid
    answer = requests.post(uri, json={}, headers={"Authorization": f"Bearer {key}"}, timeout=30)
    assert answer.json()["who"] == "blue"


@pytest.mark.slow
def test_an_operation_cut_off_by_a_kill_is_ended(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wait: Any
) -> None:
    """A deployment that was being created at kill -9 is Failed after the start, says why, and can be made again."""
    import os
    import signal

    import psutil
    from tests.local.conftest import make_client

    connection = launch.ensure(folder)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", connection.ca_bundle)
    site = Site(make_client(connection), "cut", tmp_path)
    gate = tmp_path / "gate"
    variables = {"GATE": str(gate)}
    site.client.online_deployments.begin_create_or_update(site.describe("blue", environment_variables=variables))
    children = psutil.Process(connection.pid).children(recursive=True)
    os.kill(connection.pid, signal.SIGKILL)
    after = make_client(launch.ensure(folder))
    wait(lambda: not any(child.is_running() for child in children))
    assert after.online_deployments.get("blue", "cut").provisioning_state == "Failed"
    gate.touch()
    site.client = after
    assert site.deploy("blue", environment_variables=variables).provisioning_state == "Succeeded"
