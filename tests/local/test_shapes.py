"""The checker of answers: it finds what is wrong, and is quiet about what Azure itself does."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import shapes

pytest.importorskip("azure.ai.ml._restclient.arm_ml_service", reason="an SDK without these models")

WORKSPACE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w"
ENDPOINT = {
    "id": f"{WORKSPACE}/onlineEndpoints/e",
    "name": "e",
    "type": "Microsoft.MachineLearningServices/workspaces/onlineEndpoints",
    "location": "here",
    "tags": {},
    "properties": {
        "authMode": "Key",
        "provisioningState": "Succeeded",
        "traffic": {"blue": 100},
        "unknownToTheModel": 1,
        "compute": None,
    },
    "systemData": {"createdAt": "2024-05-01T12:00:00.1234567Z", "createdByType": "User"},
}


def judge(change: Callable[[Any], object], method: str = "GET", status: int = 200, **headers: str) -> list[str]:
    """Return what is found in an endpoint's answer after a change."""
    body = copy.deepcopy(ENDPOINT)
    change(body)
    given = {"content-type": "application/json"} | headers
    return shapes.faults(
        shapes.Exchange(method, f"https://x{WORKSPACE}/onlineEndpoints/e?api-version=1", status, given, body)
    )


def test_a_good_answer_is_good() -> None:
    """Null and unknown properties are allowed."""
    assert judge(lambda body: None) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda body: body.pop("location"), "location is missing"),
        (lambda body: body["properties"].pop("authMode"), "properties.authMode is missing"),
        (lambda body: body["properties"].update(authMode="Password"), "properties.authMode is 'Password', not one of"),
        (lambda body: body["properties"]["traffic"].update(blue="100"), "properties.traffic[blue] is '100', no int"),
        (lambda body: body["properties"]["traffic"].update(blue=True), "properties.traffic[blue] is True, no int"),
        (lambda body: body["systemData"].update(createdAt="today"), "systemData.createdAt is 'today', no datetime"),
        (lambda body: body.update(tags=[]), "tags is [], no dict"),
        (lambda body: body.update(properties="x"), "properties is no object"),
        (lambda body: body.update(name="other"), "is not the last part of the path"),
        (lambda body: body.update(id="/other"), "is not the path"),
        (lambda body: body.update(type="jobs"), "is not Microsoft.MachineLearningServices"),
    ],
)
def test_each_break_is_named(change: Callable[[Any], object], said: str) -> None:
    """One break gives one fault, with the place and the value."""
    [found] = judge(change)
    assert said in found


def test_long_running_answers_need_their_headers() -> None:
    """A PUT under way and a 202 say where to ask."""
    under_way = {"provisioningState": "Creating"}
    assert "without Azure-AsyncOperation" in judge(lambda body: body["properties"].update(under_way), "PUT", 201)[0]
    assert judge(lambda body: body["properties"].update(under_way), "PUT", 201, **{"azure-asyncoperation": "x"}) == []
    assert (
        "a 202 without Location" in shapes.faults(shapes.Exchange("DELETE", f"https://x{WORKSPACE}", 202, {}, None))[0]
    )
    assert "not answered with 202" in judge(lambda body: None, "PUT", 202, location="x")[0]


def test_an_error_has_the_services_shape() -> None:
    """Code, message, details: anything else is a fault."""
    good = {"error": {"code": "UserError", "message": "no", "details": [], "additionalInfo": []}}
    assert shapes.faults(shapes.Exchange("GET", f"https://x{WORKSPACE}/jobs/j", 404, {}, good)) == []
    for bad in (
        None,
        {"message": "no"},
        {"error": {"code": "", "message": "no"}},
        {"error": {**good["error"], "details": 1}},
    ):
        assert shapes.faults(shapes.Exchange("GET", f"https://x{WORKSPACE}/jobs/j", 404, {}, bad)) != []


def test_the_model_is_found_by_its_discriminator() -> None:
    """A command job without a command is found, though every job may lack one."""
    job = {
        "id": f"{WORKSPACE}/jobs/j", "name": "j", "type": "Microsoft.MachineLearningServices/workspaces/jobs",
        "properties": {"jobType": "Command", "environmentId": "x", "outputs": {"o": {"jobOutputType": "uri_folder"}}},
    }  # fmt: skip
    headers = {"content-type": "application/json"}
    found = shapes.faults(shapes.Exchange("GET", f"https://x{WORKSPACE}/jobs/j", 200, headers, job))
    assert ["properties.command is missing" in each for each in found] == [True]
