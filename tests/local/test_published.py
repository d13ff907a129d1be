"""The published API's facts: all that the local workspace serves is in them, and each break of them is found."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import published
import pytest

from local.control.state import assemble
from local.control.table import table
from local.wire.place import Place

WORKSPACE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w"
DEPLOYMENT = {
    "id": f"{WORKSPACE}/onlineEndpoints/e/deployments/blue",
    "name": "blue",
    "type": "Microsoft.MachineLearningServices/workspaces/onlineEndpoints/deployments",
    "location": "here",
    "tags": {"a": "b"},
    "kind": None,
    "sku": {"name": "Default", "capacity": 1},
    "properties": {
        "endpointComputeType": "Managed",
        "provisioningState": "Creating",
        "livenessProbe": {"period": "PT10S", "failureThreshold": 30},
        "scaleSettings": {"scaleType": "Default"},
        "environmentVariables": {"A": "1"},
    },
    "systemData": {"createdAt": "2024-05-01T12:00:00.1234567Z", "createdByType": "User"},
}
HEADERS = {"azure-asyncoperation": "x", "x-ms-async-operation-timeout": "PT30M"}


def judge(
    change: Callable[[Any], object] = lambda body: None,
    *,
    method: str = "PUT",
    status: int = 201,
    headers: dict[str, str] = HEADERS,
    version: str = "2023-04-01-preview",
) -> list[str]:
    """Return what is found in the answer to a deployment's PUT after a change."""
    body = copy.deepcopy(DEPLOYMENT)
    change(body)
    url = f"https://x{WORKSPACE}/onlineEndpoints/e/deployments/blue?api-version={version}"
    return list(published.faults(method, url, status, headers, body))


def test_a_good_answer_is_good() -> None:
    """As the recorded ones of the service are."""
    assert judge() == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda body: body["properties"].update(colour="x"), "properties.colour is no property of ManagedOnline"),
        (lambda body: body["properties"].update(provisioningState="Done"), "is 'Done', not one of Canceled, Creating"),
        (lambda body: body["properties"].pop("endpointComputeType"), "endpointComputeType is None, not one of"),
        (lambda body: body.pop("location"), "location is missing"),
        (lambda body: body["sku"].update(capacity="1"), "sku.capacity is '1', no int"),
        (lambda body: body["properties"]["livenessProbe"].update(period="10 s"), "livenessProbe.period is '10 s', no"),
        (lambda body: body["properties"]["environmentVariables"].update(A=1), "environmentVariables[A] is 1, no str"),
        (lambda body: body["systemData"].update(createdAt="today"), "createdAt is 'today', no iso-8601"),
        (lambda body: body.update(tags=[]), "tags is [], no map"),
    ],
)
def test_each_break_is_named(change: Callable[[Any], object], said: str) -> None:
    """One break gives one fault, with its place."""
    [found] = judge(change)
    assert said in found


def test_status_and_headers_are_those_of_the_operation() -> None:
    """A status that the operation does not name is a fault, and so is long work that says not where to ask."""
    assert "the status is 202, and PUT" in judge(status=202)[0]
    assert judge(headers={"azure-asyncoperation": "x"}) == ["a 201 without x-ms-async-operation-timeout"]
    assert judge(lambda body: body["properties"].update(provisioningState="Succeeded"), headers={}) == []
    assert judge(method="DELETE", status=202, headers=HEADERS) == ["a 202 without Location"]


def test_the_version_that_was_asked_counts() -> None:
    """What a later version brought is unknown to an earlier one; a version without facts judges nothing."""
    later = {"dataCollector": {"collections": {}}}
    assert judge(lambda body: body["properties"].update(later)) == []
    [found] = judge(lambda body: body["properties"].update(later), version="2022-02-01-preview")
    assert "properties.dataCollector is no property" in found
    assert judge(lambda body: body.clear(), version="1999-01-01") == []


def test_an_error_has_the_published_shape() -> None:
    """Whatever the operation."""
    url = f"https://x{WORKSPACE}/jobs/j?api-version=2024-01-01-preview"
    body = {"error": {"code": "UserError", "message": "no", "details": [], "additionalInfo": []}}
    assert list(published.faults("GET", url, 404, {}, body)) == []
    body["error"]["hint"] = "x"
    assert list(published.faults("GET", url, 404, {}, body)) == ["error.hint is no property of ErrorDetail"]


def test_every_operation_that_is_served_has_its_facts(tmp_path: Path) -> None:
    """But where the workspace's own routes, MLflow's, Azure Monitor's and the polled addresses answer."""
    state = assemble(tmp_path, "instance", "token", Place("https://127.0.0.1:1", "http://127.0.0.1:2"))
    others = re.compile(r"Local_|Mlflow_|Metric|Operations_|Discovery_|Jobs_CancelResult|RunServices_")
    missing = []
    for each in table(state):
        full = each.path.replace("{workspace}", WORKSPACE) if each.path.startswith("/") else f"{WORKSPACE}/{each.path}"
        if published.operation_of(each.method, re.sub(r"\{\w+\}", "x", full)) is None and not others.match(each.name):
            missing.append(f"{each.method} {each.path}")
    assert missing == []
