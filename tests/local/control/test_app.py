"""The control plane's edge: who gets in, what is not done, and faults on request."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from azure.ai.ml.entities import ManagedOnlineEndpoint
from azure.core.exceptions import HttpResponseError


class Caller:
    """Raw calls of a workspace."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.base = (
            f"{connection.arm}/subscriptions/{connection.subscription_id}/resourceGroups/{connection.resource_group}"
            f"/providers/Microsoft.MachineLearningServices/workspaces/{connection.workspace_name}"
        )

    def call(self, method: str, path: str, *, token: str | None = "ours", **more: Any) -> requests.Response:
        headers = more.pop("headers", {})
        if token is not None:
            secret = self.connection.token() if token == "ours" else token
            headers = {"Authorization": f"Bearer {secret}"} | headers
        url = f"{self.connection.arm}{path}" if path.startswith("/") else f"{self.base}/{path}".rstrip("/")
        return requests.request(method, url, headers=headers, verify=self.connection.ca_bundle, timeout=30, **more)


@pytest.fixture
def caller(workspace: Any) -> Iterator[Caller]:
    caller = Caller(workspace)
    yield caller
    caller.call("DELETE", "/local/faults")


@pytest.mark.parametrize("token", [None, "", "wrong", "x" * 5000])
@pytest.mark.parametrize("path", ["", "jobs", "/local/status", "/local/faults", "/nowhere"])
def test_no_token_no_entry(caller: Caller, token: str | None, path: str) -> None:
    """Every control call without the right token is answered 401, whatever it asks."""
    answer = caller.call("GET", path, token=token)
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "InvalidAuthenticationToken"


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "127.0.0.1"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
)
def test_a_rebound_name_or_another_site_gets_nothing(caller: Caller, headers: dict[str, str]) -> None:
    """A foreign Host or Origin is refused even with the token."""
    assert caller.call("GET", "", headers=headers).status_code == 403


def test_a_blob_needs_its_signature(caller: Caller, ml_client: Any) -> None:
    """A blob address opens with its own signature only: not without, not changed, not for another container."""
    secrets = caller.call("POST", "datastores/workspaceblobstore/listSecrets").json()["sasToken"]
    container = caller.call("GET", "datastores/workspaceblobstore").json()["properties"]["containerName"]
    url = f"{caller.connection.arm}/blob/acct"

    def status(place: str, query: str) -> int:
        return requests.get(
            f"{url}/{place}?comp=list&{query}", verify=caller.connection.ca_bundle, timeout=30
        ).status_code

    assert status(container, secrets) == 200
    assert status(container, "") == 403
    assert status(container, secrets[:-1] + ("0" if secrets[-1] != "0" else "1")) == 403
    assert status("azureml", secrets) == 403


@pytest.mark.parametrize("name", ["../../token", "a/../../x", "%2e%2e/token", "a\\b"])
def test_blob_names_lead_nowhere_else(caller: Caller, name: str) -> None:
    """A name that tries to leave its container writes nothing."""
    sas = caller.call("POST", "datastores/workspaceblobstore/listSecrets").json()["sasToken"]
    container = caller.call("GET", "datastores/workspaceblobstore").json()["properties"]["containerName"]
    request = requests.Request("PUT", "https://x/", data=b"1", headers={"x-ms-blob-type": "BlockBlob"}).prepare()
    request.url = f"{caller.connection.arm}/blob/acct/{container}/{name}?{sas}"
    with requests.Session() as session:
        answer = session.send(request, verify=caller.connection.ca_bundle, timeout=30)
    assert answer.status_code in (400, 401, 403, 404)


@pytest.mark.parametrize("name", ["%2e%2e", ".hidden", "a%00b", "a%5cb", "%C2%B5", "-a", "x" * 256])
@pytest.mark.parametrize("path", ["models/{}/versions/1", "models/fine/versions/{}", "codes/{}/versions/1", "jobs/{}"])
def test_a_name_that_is_none_is_refused(caller: Caller, path: str, name: str) -> None:
    """What becomes part of a path on disk begins with a letter or digit and holds no more than letters and the like."""
    properties = {"modelUri": "azureml://datastores/workspaceblobstore/paths/x", "jobType": "Command"}
    body = {
        "properties": properties | {"command": "true", "codeUri": "azureml://datastores/workspaceblobstore/paths/x"}
    }
    request = requests.Request("PUT", "https://x/", json=body).prepare()
    request.headers["Authorization"] = f"Bearer {caller.connection.token()}"
    # As it is: requests would resolve the dots of an address.
    request.url = f"{caller.base}/{path.format(name)}"
    with requests.Session() as session:
        answer = session.send(request, verify=caller.connection.ca_bundle, timeout=30)
    assert answer.status_code == 400
    assert "a name holds letters" in answer.json()["error"]["message"]


def test_what_is_not_done_says_so_by_name(caller: Caller) -> None:
    """An operation that Azure has and this has not is answered 501 with its method and path."""
    answer = caller.call("GET", "schedules")
    assert answer.status_code == 501
    assert answer.json()["error"]["code"] == "NotImplemented"
    assert answer.json()["error"]["message"] == "The local workspace does not do GET /schedules"


def test_another_workspace_is_not_found(caller: Caller) -> None:
    """A call about a workspace of another name is a 404 that names this one."""
    path = caller.base.removeprefix(caller.connection.arm).rsplit("/", 1)[0] + "/other/jobs"
    answer = caller.call("GET", path)
    assert answer.status_code == 404
    assert "Workspace other not found" in answer.text


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b"[" * 100_000, b'{"properties": 1}'])
def test_a_body_that_is_no_object_is_a_400(caller: Caller, body: bytes) -> None:
    """Broken or odd JSON is refused as the caller's mistake, never a 500."""
    assert caller.call("PUT", "models/m/versions/1", data=body).status_code == 400


def test_an_endless_body_is_cut_off(caller: Caller) -> None:
    """More than four megabytes of JSON are refused."""
    big = json.dumps({"properties": {"x": "y" * (5 << 20)}}).encode()
    assert caller.call("PUT", "models/m/versions/1", data=big).status_code == 413


def test_status_tells_what_is_there(caller: Caller) -> None:
    """The status names both addresses, and lists jobs, models and endpoints."""
    found = caller.call("GET", "/local/status").json()
    assert found["scoring"] == caller.connection.scoring
    assert {"jobs", "models", "endpoints"} <= found.keys()


def test_the_plain_port_has_no_control_plane(caller: Caller) -> None:
    """On the scoring port the control plane does not answer, token or not."""
    path = caller.base.removeprefix(caller.connection.arm)
    headers = {"Authorization": f"Bearer {caller.connection.token()}"}
    assert requests.get(caller.connection.scoring + path, headers=headers, timeout=30).status_code == 404


def test_a_fault_throttles_the_calls_it_matches_and_no_more(caller: Caller) -> None:
    """A 429 with Retry-After strikes as often as asked, on the path asked; then all is as before."""
    caller.call(
        "PUT",
        "/local/faults",
        json={"control": [{"method": "GET", "path": "/jobs$", "times": 2, "status": 429, "retry_after": 1}]},
    )
    assert caller.call("GET", "models").status_code == 200
    answers = [caller.call("GET", "jobs") for _ in range(3)]
    assert [each.status_code for each in answers] == [429, 429, 200]
    assert answers[0].headers["Retry-After"] == "1"


def test_a_lost_answer_leaves_the_write_done(caller: Caller, ml_client: Any) -> None:
    """With "lost" the client sees its connection break, and the write has taken effect."""
    caller.call("PUT", "/local/faults", json={"control": [{"method": "PUT", "path": "onlineEndpoints", "lost": True}]})
    body = {"properties": {"authMode": "Key"}, "location": "local"}
    with pytest.raises(requests.RequestException):
        caller.call("PUT", "onlineEndpoints/lost-answer", json=body)
    assert ml_client.online_endpoints.get("lost-answer").provisioning_state == "Succeeded"
    ml_client.online_endpoints.begin_delete("lost-answer").result()


def test_a_stale_read_gives_the_last_answer(caller: Caller, ml_client: Any) -> None:
    """With "stale" a read is answered as the one before it, though the endpoint has changed."""
    endpoint = ml_client.online_endpoints.begin_create_or_update(ManagedOnlineEndpoint(name="stale-one")).result()
    ml_client.online_endpoints.get("stale-one")
    endpoint.tags = {"new": "yes"}
    caller.call(
        "PUT",
        "/local/faults",
        json={"control": [{"method": "GET", "path": "onlineEndpoints/stale-one$", "stale": True}]},
    )
    body = {"tags": {"new": "yes"}, "properties": {"authMode": "Key"}, "location": "local"}
    caller.call("PUT", "onlineEndpoints/stale-one", json=body)
    reads = [caller.call("GET", "onlineEndpoints/stale-one").json()["tags"] for _ in range(2)]
    assert reads == [{}, {"new": "yes"}]
    ml_client.online_endpoints.begin_delete("stale-one").result()


def test_an_update_can_take_its_time(caller: Caller, ml_client: Any, wait: Any) -> None:
    """With "takes_ms" an endpoint is read as it was, and takes no other write, until the update ends; as recorded."""
    endpoint = ml_client.online_endpoints.begin_create_or_update(ManagedOnlineEndpoint(name="late-one")).result()
    late = {"method": "PUT", "path": "late-one$", "takes_ms": 1500}
    caller.call("PUT", "/local/faults", json={"control": [late]})
    endpoint.tags = {"new": "yes"}
    poller = ml_client.online_endpoints.begin_create_or_update(endpoint)
    there = caller.call("GET", "onlineEndpoints/late-one").json()
    assert (there["properties"]["provisioningState"], there["tags"]) == ("Updating", {})
    body = {"tags": {}, "properties": {"authMode": "Key"}, "location": "local"}
    assert caller.call("PUT", "onlineEndpoints/late-one", json=body).status_code == 409
    assert poller.result().tags == {"new": "yes"}
    assert ml_client.online_endpoints.get("late-one").provisioning_state == "Succeeded"
    caller.call("PUT", "/local/faults", json={"control": [late]})
    endpoint.traffic = {"nobody": 100}
    with pytest.raises(HttpResponseError, match="nobody"):
        ml_client.online_endpoints.begin_create_or_update(endpoint).result()
    ml_client.online_endpoints.begin_delete("late-one").result()


def test_a_fault_is_of_one_kind(caller: Caller) -> None:
    """What could only be half done is refused."""
    answer = caller.call("PUT", "/local/faults", json={"control": [{"lost": True, "status": 503}]})
    assert (answer.status_code, "more than one kind" in answer.text) == (400, True)


def test_work_can_be_stuck(caller: Caller, ml_client: Any, wait: Any) -> None:
    """With "stuck" work that has ended is answered as under way, until the fault is taken away; then it has ended."""
    ml_client.online_endpoints.begin_create_or_update(ManagedOnlineEndpoint(name="stuck-one")).result()
    caller.call(
        "PUT", "/local/faults", json={"control": [{"path": "stuck-one$|mfeOperation", "stuck": True, "times": 99}]}
    )
    assert caller.call("GET", "onlineEndpoints/stuck-one").json()["properties"]["provisioningState"] == "Updating"
    accepted = caller.call("DELETE", "onlineEndpoints/stuck-one").headers
    polled = [accepted["Azure-AsyncOperation"], accepted["Location"]]
    status, result = (caller.call("GET", url.removeprefix(caller.connection.arm)) for url in polled)
    assert (status.json()["status"], result.status_code) == ("Updating", 202)
    caller.call("DELETE", "/local/faults")
    wait(lambda: caller.call("GET", polled[0].removeprefix(caller.connection.arm)).json()["status"] == "Succeeded")
    assert caller.call("GET", polled[1].removeprefix(caller.connection.arm)).status_code == 200


def test_a_connection_can_be_refused(caller: Caller) -> None:
    """With "refused" the client sees its connection break, and nothing is done."""
    caller.call("PUT", "/local/faults", json={"control": [{"method": "PUT", "refused": True}]})
    with pytest.raises(requests.RequestException):
        caller.call("PUT", "onlineEndpoints/never-made", json={"properties": {"authMode": "Key"}, "location": "local"})
    assert caller.call("GET", "onlineEndpoints/never-made").status_code == 404


def test_a_call_can_be_late(caller: Caller) -> None:
    """With "delay_ms" an answer comes no earlier than so long after its question."""
    caller.call("PUT", "/local/faults", json={"control": [{"method": "GET", "path": "/jobs$", "delay_ms": 300}]})
    assert caller.call("GET", "jobs").elapsed.total_seconds() >= 0.3


@pytest.mark.parametrize(
    "fault",
    [{"control": [{"path": "("}]}, {"control": [{"status": 200}]}, {"control": [{"odd": 1}]}, {"scoring": [{}]}],
)
def test_a_fault_that_is_none_is_refused(caller: Caller, fault: dict[str, Any]) -> None:
    """Unknown keys, bad expressions and bad statuses are refused, and nothing is set."""
    assert caller.call("PUT", "/local/faults", json=fault).status_code == 400
    assert caller.call("GET", "/local/faults").json() == {"control": [], "scoring": []}


def test_a_failing_call_surfaces_in_the_sdk(caller: Caller, ml_client: Any) -> None:
    """A fault of status 409 arrives in the SDK as an error with its message."""
    fault = {"method": "GET", "path": "/onlineEndpoints/any$", "status": 409}
    caller.call("PUT", "/local/faults", json={"control": [fault]})
    with pytest.raises(HttpResponseError, match="fault set on purpose"):
        ml_client.online_endpoints.get("any")
