"""A job as the service shows it."""

from __future__ import annotations

from local.storage.store import Document
from local.wire.call import Json, system_data
from local.wire.place import Place, run_folder


def resource(place: Place, document: Document) -> Json:
    """Return all that the service says of a job."""
    body = document.body
    base: Json = {
        "description": None,
        "tags": {},
        "properties": {},
        "displayName": document.name,
        "experimentName": "Default",
        "isArchived": False,
        "identity": None,
        "componentId": None,
        "codeId": None,
        "inputs": {},
        "outputs": {},
        "environmentVariables": {},
        "distribution": None,
        "limits": None,
        "parameters": {},
        "resources": {
            "instanceCount": 1,
            "instanceType": None,
            "properties": None,
            "shmSize": "2g",
            "dockerArgs": None,
        },
    }
    properties = base | body["properties"]
    properties["status"] = body["status"]
    properties["properties"] = {"_azureml.ComputeTargetType": "local"} | (properties["properties"] or {})
    # Of a job that runs the service shows it too. The SDK would then look for the log there, with an account key that
    # this workspace has not, and would print a refusal in its place.
    of_all = _outputs_of_all(document.name) if body.get("ended") else {}
    properties["outputs"] = {
        key: {"description": None, "mode": "ReadWriteMount", "uri": None} | (value or {})
        for key, value in (of_all | (properties["outputs"] or {})).items()
    }
    properties["inputs"] = {
        key: {"description": None} | (value or {}) for key, value in (properties["inputs"] or {}).items()
    }
    properties["services"] = {
        "Tracking": _service("Tracking", f"{place.control}{place.mlflow_path}"),
        "Studio": _service("Studio", f"{place.studio}/#/jobs/{document.name}"),
    }
    return {
        "id": f"{place.id}/jobs/{document.name}",
        "name": document.name,
        "type": "Microsoft.MachineLearningServices/workspaces/jobs",
        "properties": properties,
        "systemData": system_data(document),
    }


def _outputs_of_all(job: str) -> Json:
    """Return the output that a job has beside those that it declares: what it writes to ./outputs and ./logs."""
    uri = f"azureml://datastores/workspaceartifactstore/{run_folder(job)}"
    return {"default": {"jobOutputType": "uri_folder", "uri": uri}}


def _service(kind: str, endpoint: str) -> Json:
    return {
        "jobServiceType": kind,
        "port": None,
        "endpoint": endpoint,
        "status": None,
        "errorMessage": None,
        "properties": None,
        "nodes": None,
    }
