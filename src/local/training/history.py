"""Run history and the data plane: what the SDK asks about a job beyond the job itself."""

from __future__ import annotations

from local.catalog.locations import Locator
from local.errors import Invalid, NotFound
from local.storage.store import Document
from local.training.jobs import LOG_NAME, TERMINAL, Jobs
from local.wire.call import Call, Json, Reply
from local.wire.guard import Guard
from local.wire.place import run_folder


def _run(document: Document) -> Json:
    body = document.body
    properties = body["properties"]
    error = body.get("error")
    return {
        "runId": document.name,
        "runNumber": document.seq,
        "rootRunId": document.name,
        "displayName": properties.get("displayName", document.name),
        "description": properties.get("description"),
        "experimentId": properties.get("experimentName", "Default"),
        "status": body["status"],
        "createdUtc": document.created,
        "startTimeUtc": body.get("started"),
        "endTimeUtc": body.get("ended"),
        "error": {"error": error} if error else None,
        "tags": properties.get("tags") or {},
        "properties": properties.get("properties") or {},
        "hidden": document.archived,
        "outputs": _outputs(document),
        "dataContainerId": f"dcid.{document.name}",
    }


def _outputs(document: Document) -> Json:
    if document.body["status"] not in TERMINAL:
        return {}
    declared = document.body["properties"].get("outputs") or {}
    return {
        name: {"assetId": f"azureml://jobs/{document.name}/outputs/{name}", "type": "uri_folder"}
        | ({"type": "uri_file"} if (value or {}).get("jobOutputType") == "uri_file" else {})
        for name, value in declared.items()
    }


def get_details(jobs: Jobs, guard: Guard, call: Call) -> Reply:
    """Answer run details, with an address for each log that needs no token."""
    document = jobs.get(call["name"])
    run = _run(document)
    logs: Json = {}
    if document.body["status"] not in ("NotStarted", "Queued"):
        name = f"{run_folder(document.name)}/{LOG_NAME}"
        container = jobs.place.artifact_container
        logs[LOG_NAME] = f"{jobs.place.blob_url(container, name)}?{guard.sas(container, name, 'r')}"
    details = {key: run[key] for key in ("runId", "status", "startTimeUtc", "endTimeUtc", "error", "properties")}
    target = str(document.body["properties"].get("computeId") or "serverless").split("/")[-1]
    return Reply(body=details | {"target": target, "warnings": [], "logFiles": logs})


def get_run_data(jobs: Jobs, call: Call) -> Reply:
    name = call.document().get("runId")
    if not name:
        raise Invalid("The body names no run: its runId is missing")
    return Reply(body={"runMetadata": _run(jobs.get(name))})


def get_run(jobs: Jobs, call: Call) -> Reply:
    return Reply(body=_run(jobs.get(call["name"])))


def list_children(jobs: Jobs, call: Call) -> Reply:
    """Answer the runs below a run: a command job has none, and neither has a run that is not there."""
    return Reply(body={"value": []})


def get_services(jobs: Jobs, call: Call) -> Reply:
    """Answer the interactive services on a node of a job: there are none here."""
    jobs.get(call["name"])
    return Reply(body={"instances": {}})


def patch_run(jobs: Jobs, call: Call) -> Reply:
    """Change a run's display name, description, tags or archived state; tags and properties are merged."""
    given = call.document()
    with jobs.store.transaction():
        properties = dict(jobs.get(call["name"]).body["properties"])
        for theirs, ours in (("displayName", "displayName"), ("description", "description"), ("hidden", "isArchived")):
            if given.get(theirs) is not None:
                properties[ours] = given[theirs]
        for key in ("tags", "properties"):
            if given.get(key):
                properties[key] = (properties.get(key) or {}) | given[key]
        document = jobs.amend(call["name"], properties=properties)
    return Reply(body=_run(document))


def resolve_uris(locator: Locator, call: Call) -> Reply:
    """Answer where data assets lie, by asset id; the unknown ones are left out."""
    values: Json = {}
    for identifier in call.document().get("values") or []:
        try:
            values[identifier] = {"uri": locator.long_uri(identifier), "type": "uri_folder"}
        except NotFound:
            continue
    return Reply(body={"values": values})
