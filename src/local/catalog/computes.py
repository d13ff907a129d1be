"""Compute clusters: names that jobs ask for. All of them are this machine."""

from __future__ import annotations

import os

import psutil

from local.errors import Conflict, Invalid, NotFound, Unsupported
from local.storage.store import Store
from local.wire.call import BORN, Call, Json, Reply
from local.wire.place import Place

# There from the beginning; others are made through the API, as on Azure.
GIVEN = ("cpu-cluster", "gpu-cluster", "cpu-small", "serverless")
_NODES = {
    f"{state}NodeCount": int(state == "idle")
    for state in ("preparing", "running", "idle", "unusable", "leaving", "preempted")
}
_SETTABLE = ("vmSize", "vmPriority", "osType", "scaleSettings")


class Computes:
    """The computes of the workspace."""

    def __init__(self, place: Place, store: Store) -> None:
        self.place = place
        self.store = store

    def names(self) -> list[str]:
        return [*GIVEN, *self.store.names("computes")]

    def render(self, name: str) -> Json:
        document = self.store.get("computes", name)
        if document is None and name not in GIVEN:
            raise NotFound("Compute", f"Compute with name {name} not found (there are {', '.join(self.names())}).")
        made = document.body if document else {}
        born = document.created if document else BORN
        return {
            "id": f"{self.place.id}/computes/{name}",
            "name": name,
            "type": "Microsoft.MachineLearningServices/workspaces/computes",
            "location": self.place.location,
            "tags": made.get("tags") or {},
            "properties": {
                "computeType": "AmlCompute",
                "computeLocation": self.place.location,
                "provisioningState": "Succeeded",
                "provisioningErrors": None,
                "resourceId": None,
                "description": made.get("description") or "Processes on this machine",
                "disableLocalAuth": True,
                "isAttachedCompute": False,
                "createdOn": born,
                "modifiedOn": document.modified if document else BORN,
                "properties": {
                    "vmSize": "LOCAL",
                    "vmPriority": "Dedicated",
                    "osType": "Linux",
                    "scaleSettings": {"maxNodeCount": 1, "minNodeCount": 0, "nodeIdleTimeBeforeScaleDown": "PT2M"},
                    "allocationState": "Steady",
                    "allocationStateTransitionTime": born,
                    "currentNodeCount": 1,
                    "targetNodeCount": 1,
                    "nodeStateCounts": _NODES,
                    "errors": None,
                    "subnet": None,
                    "virtualMachineImage": None,
                    "isolatedNetwork": False,
                    "remoteLoginPortPublicAccess": "Disabled",
                    "propertyBag": {},
                }
                | (made.get("properties") or {}),
            },
        }

    def check(self, compute_id: str | None) -> None:
        """Refuse a job on a compute that does not exist, as the service does when the job is submitted."""
        name = (compute_id or "serverless").rstrip("/").split("/")[-1].removeprefix("azureml:")
        if name not in GIVEN and self.store.get("computes", name) is None:
            raise Invalid(
                f"Unknown compute target '{name}': the local workspace has {', '.join(self.names())}.",
                detail=("ComputeNotFound", f"The specified compute {name} was not found."),
            )


def get_compute(computes: Computes, call: Call) -> Reply:
    return Reply(body=computes.render(call["name"]))


def list_computes(computes: Computes, call: Call) -> Reply:
    return Reply(body={"value": [computes.render(name) for name in computes.names()]})


def put_compute(computes: Computes, call: Call) -> Reply:
    """Make a cluster: a name more for this machine, whose size is kept and shown."""
    name, given = call["name"], call.properties()
    if given.get("computeType") != "AmlCompute":
        raise Unsupported(f"computes of type {given.get('computeType')}")
    if name in GIVEN:
        raise Conflict(f"Compute {name} is part of the local workspace and cannot be changed.")
    if not 2 <= len(name) <= 32 or not name.replace("-", "").isalnum() or not name.isascii() or not name[0].isalpha():
        raise Invalid(f"{name!r} is not a compute's name: 2 to 32 letters, digits and -, a letter first")
    inner = {key: value for key, value in (given.get("properties") or {}).items() if key in _SETTABLE and value}
    new = computes.store.get("computes", name) is None
    body = {"properties": inner, "description": given.get("description"), "tags": call.document().get("tags")}
    computes.store.put("computes", name, body)
    return Reply(201 if new else 200, computes.render(name))


def delete_compute(computes: Computes, call: Call) -> Reply:
    if call["name"] in GIVEN:
        raise Conflict(f"Compute {call['name']} is part of the local workspace and cannot be deleted.")
    return Reply(200 if computes.store.delete("computes", call["name"]) else 204)


def list_sizes(call: Call) -> Reply:
    """Answer the one size that there is: this machine, which no quota limits."""
    memory = round(psutil.virtual_memory().total / (1 << 30), 1)
    size = {
        "name": "LOCAL",
        "family": "local",
        "vCPUs": os.cpu_count() or 1,
        "gpus": 0,
        "osVhdSizeMB": 0,
        "maxResourceVolumeMB": 0,
        "memoryGB": memory,
        "lowPriorityCapable": False,
        "premiumIO": False,
        "supportedComputeTypes": ["AmlCompute"],
    }
    return Reply(body={"value": [size]})


def list_usages(call: Call) -> Reply:
    """Answer no usage, for there is no quota."""
    return Reply(body={"value": []})
