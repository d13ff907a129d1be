"""What the page shows of the workspace: jobs, models, endpoints with their deployments and their rollouts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local.errors import NotFound
from local.storage.blobs import Blob
from local.storage.store import Document
from local.studio import rollout
from local.training.jobs import LOG_NAME
from local.wire.call import Json
from local.wire.durations import seconds
from local.wire.place import run_folder

if TYPE_CHECKING:
    from local.control.state import State

MOST_JOBS = 100
MOST_VERSIONS = 50
LOG_BYTES = 256 << 10


def everything(state: State) -> Json:
    """Return all that the lists show."""
    models = [each for name in state.store.names("models") for each in _versions(state, name)]
    past = rollout.history(models)
    return {
        "workspace": {"name": state.place.workspace_name, "folder": str(state.folder), "scoring": state.place.scoring},
        "jobs": [_job(state, each) for each in state.store.find("jobs", archived=False, limit=MOST_JOBS)],
        "models": [_model(each) for each in models],
        "endpoints": [each for name in state.store.names("endpoints") if (each := _endpoint(state, name))],
        "history": past,
    }


def _versions(state: State, name: str) -> list[Document]:
    return state.store.find("models", name=name, archived=False, limit=MOST_VERSIONS)


def _job(state: State, document: Document) -> Json:
    body, properties = document.body, document.body["properties"]
    metrics = state.tracking.logged(document.name)["metrics"]
    return {
        "name": document.name,
        "title": properties.get("displayName") or document.name,
        "experiment": properties.get("experimentName", "Default"),
        "status": body["status"],
        "created": document.created,
        "started": body.get("started"),
        "ended": body.get("ended"),
        "error": (body.get("error") or {}).get("message"),
        "tags": properties.get("tags") or {},
        "command": properties.get("command"),
        "metrics": {name: points[-1]["value"] for name, points in sorted(metrics.items()) if points},
    }


def _model(document: Document) -> Json:
    properties = document.body["properties"]
    return {
        "name": document.name,
        "version": document.version,
        "created": document.created,
        "description": properties.get("description"),
        "job": properties.get("jobName"),
        "tags": properties.get("tags") or {},
    }


def _endpoint(state: State, name: str) -> Json | None:
    try:
        document = state.endpoints.get(name)
    except NotFound:
        # Deleted since its name was read.
        return None
    body, properties = document.body, document.body["properties"]
    found = rollout.by_age(state.endpoints.deployments(name))
    return {
        "name": name,
        "state": body["state"],
        "auth": properties["authMode"],
        "scoring_uri": f"{state.place.scoring}/{name}/score",
        "traffic": properties["traffic"],
        "mirror": properties["mirrorTraffic"],
        "created": document.created,
        "rolled_back": body["tags"].get("rolled_back"),
        "rollout": rollout.read(body["tags"]),
        "new": found[-1].body["name"] if found else None,
        "old": found[-2].body["name"] if len(found) > 1 else None,
        "deployments": [_deployment(each) for each in found],
    }


def _deployment(document: Document) -> Json:
    body, properties = document.body, document.body["properties"]
    return {
        "name": body["name"],
        "state": body["state"],
        "model": body["tags"].get("model") or _asset(str(properties.get("model") or "")),
        "deployed": body["tags"].get("deployed_at") or document.created,
        "tags": body["tags"],
        "about": _about(body, properties),
    }


def _about(body: Json, properties: Json) -> Json:
    """Return how a deployment is run; the time limit in seconds."""
    limits = properties.get("requestSettings") or {}
    return {
        "instance_type": properties.get("instanceType"),
        "instances": body["sku"]["capacity"],
        "script": (properties.get("codeConfiguration") or {}).get("scoringScript"),
        "environment": _asset(str(properties.get("environmentId") or "")),
        "timeout": seconds(limits["requestTimeout"]) if limits.get("requestTimeout") else None,
        "concurrent": limits.get("maxConcurrentRequestsPerInstance"),
    }


def _asset(path: str) -> str:
    """Return NAME:VERSION of an asset's id, of any kind."""
    parts = path.split("/")
    return f"{parts[-3]}:{parts[-1]}" if parts[-2:-1] == ["versions"] else path


def health(state: State) -> Json:
    """Return, by endpoint and deployment, which instances are up. It runs in the event loop, where they change."""
    return {
        name: {
            each.body["name"]: state.supervisor.running(name, each.body["name"])
            for each in state.endpoints.deployments(name)
        }
        for name in state.store.names("endpoints")
    }


def job_log(state: State, name: str, after: int) -> Json:
    """Return what a job said from a byte on, and where to go on.

    Of more than `LOG_BYTES` there is only the end, from the first line that begins in it, and `skipped` says so: what
    a long log says last is what people look for, and a page that holds all of it is slow.
    """
    state.jobs.get(name)
    try:
        blob = state.blobs.get(state.place.artifact_container, f"{run_folder(name)}/{LOG_NAME}")
    except NotFound:
        return {"text": "", "next": 0, "skipped": False}
    with blob.path.open("rb") as file:
        start = min(after, blob.size)
        skipped = blob.size - start > LOG_BYTES
        file.seek(blob.size - LOG_BYTES if skipped else start)
        if skipped:
            file.readline(LOG_BYTES // 2)
        said = file.read(LOG_BYTES)
        return {"text": said.decode(errors="replace"), "next": file.tell(), "skipped": skipped}


def job_plots(state: State, name: str) -> list[str]:
    """Return the names of the pictures among a job's outputs, each as OUTPUT/PATH."""
    outputs = state.jobs.get(name).body["properties"].get("outputs") or {}
    found = []
    for output in sorted(outputs):
        location = state.locator.resolve(f"azureml://jobs/{name}/outputs/{output}")
        blobs = state.blobs.tree(location.container, location.path)
        found += [f"{output}/{path}" for path, _ in blobs if path.suffix == ".png"]
    return found


def job_plot(state: State, name: str, plot: str) -> Blob:
    """Return one picture of a job; NotFound for anything that `job_plots` does not list."""
    if plot not in job_plots(state, name):
        raise NotFound("Output", f"Job {name} has no picture {plot}.")
    output, _, path = plot.partition("/")
    location = state.locator.resolve(f"azureml://jobs/{name}/outputs/{output}")
    return state.blobs.whole(location.container, f"{location.path}/{path}")
