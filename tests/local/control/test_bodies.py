"""Bodies that are not as they should be: each is refused or taken, and none breaks the server or a list."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import requests

from local import launch
from local.control.bodies import BODIES
from local.control.state import assemble
from local.control.table import table
from local.wire.place import Place

URI = "azureml://datastores/workspaceblobstore/paths/x"
JOB = {"jobType": "Command", "command": "true", "environmentId": "azureml:AzureML-x:1"}
STORE = {"datastoreType": "AzureBlob", "accountName": "a", "containerName": "b"}
# What is put where, so that each operation has one that it takes.
GOOD: dict[str, tuple[str, str, dict[str, Any]]] = {
    "CodeVersions_CreateOrUpdate": ("PUT", "codes/c/versions/1", {"codeUri": URI}),
    "EnvironmentVersions_CreateOrUpdate": ("PUT", "environments/e/versions/1", {"image": "x"}),
    "DataVersions_CreateOrUpdate": ("PUT", "data/d/versions/1", {"dataUri": URI, "dataType": "uri_folder"}),
    "ModelVersions_CreateOrUpdate": ("PUT", "models/m/versions/1", {"modelUri": URI, "modelType": "mlflow_model"}),
    "ModelContainers_CreateOrUpdate": ("PUT", "models/m", {}),
    "Jobs_CreateOrUpdate": ("PUT", "jobs/j", JOB),
    "OnlineEndpoints_CreateOrUpdate": ("PUT", "onlineEndpoints/endp", {"authMode": "Key"}),
    "OnlineDeployments_CreateOrUpdate": (
        "PUT",
        "onlineEndpoints/endp/deployments/blue",
        {"endpointComputeType": "Managed", "model": "azureml:m:1"},
    ),
    "Datastores_CreateOrUpdate": ("PUT", "datastores/s", STORE | {"credentials": {"credentialsType": "None"}}),
    "Compute_CreateOrUpdate": ("PUT", "computes/cc", {"computeType": "AmlCompute", "properties": {}}),
    "OnlineEndpoints_Update": ("PATCH", "onlineEndpoints/endp", {}),
    "OnlineDeployments_Update": ("PATCH", "onlineEndpoints/endp/deployments/blue", {}),
    "OnlineEndpoints_RegenerateKeys": ("POST", "onlineEndpoints/endp/regenerateKeys", {}),
    "OnlineDeployments_GetLogs": ("POST", "onlineEndpoints/endp/deployments/blue/getLogs", {}),
}
ODD: list[Any] = [None, True, -1, 1.5, 10**30, "", "x", "PT5S", [], [1], {}, {"a": 1}, {"a": None}, {"a": {"b": []}}]
LISTS = ["jobs", "models", "models/m/versions", "data", "environments", "codes", "onlineEndpoints",
         "onlineEndpoints/endp/deployments", "datastores", "computes"]  # fmt: skip


class Raw:
    """Raw calls of a workspace of one's own."""

    def __init__(self, connection: launch.Connection) -> None:
        group = f"/subscriptions/{connection.subscription_id}/resourceGroups/{connection.resource_group}"
        provider = f"{connection.arm}{group}/providers/Microsoft.MachineLearningServices"
        self.base = f"{provider}/workspaces/{connection.workspace_name}"
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.verify = connection.ca_bundle
        self.session.headers["Authorization"] = f"Bearer {connection.token()}"

    def call(self, method: str, path: str, body: Any = None) -> int:
        return self.session.request(method, f"{self.base}/{path}", json=body, timeout=30).status_code


# What no body is looked at for.
BODILESS = re.compile(r"_(Get\w*|List\w*|Delete\w*|Cancel\w*|StartUpload|CreateStudioLink|update)$|runs/update")


def test_every_operation_that_takes_a_body_has_its_form(tmp_path: Path) -> None:
    """And every form is of an operation."""
    state = assemble(tmp_path, "instance", "token", Place("https://127.0.0.1:1", "http://127.0.0.1:2"))
    known = {each.name: each.method for each in table(state)}
    assert BODIES.keys() <= known.keys()
    takes = {name for name, method in known.items() if method != "GET" and not BODILESS.search(name)}
    assert takes <= BODIES.keys()


@pytest.mark.slow
def test_odd_bodies_are_refused_or_taken_and_break_nothing(folder: Path) -> None:
    """Each name that a form knows, with each odd value in its place, beside what is good: never a 5xx but 501."""
    raw = Raw(launch.ensure(folder))
    faults = []
    for operation, (method, path, good) in GOOD.items():
        for name in [*BODIES[operation], *BODIES[operation].get("properties", ())]:
            for value in ODD:
                body: dict[str, Any] = {"location": "local", "properties": dict(good)} if method == "PUT" else {}
                (body if name in BODIES[operation] else body["properties"])[name] = value
                status = raw.call(method, path, body)
                if status >= 500 and status != 501:
                    faults.append((operation, name, value, status))
        assert method != "PUT" or raw.call(method, path, {"location": "local", "properties": good}) in (200, 201, 409)
    assert faults == []
    assert {path: raw.call("GET", path) for path in LISTS} == dict.fromkeys(LISTS, 200)
