"""MLflow tracking for a job's own run: parameters, metrics and tags, over the part of its REST API that clients use.

A job gets a token that opens its own run and nothing else, and only until the job has ended.
"""

from __future__ import annotations

import hmac
import math
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from local.errors import Conflict, Forbidden, Invalid, NotFound, Refusal, TooLarge, Unauthorized
from local.storage.store import Document, Store
from local.training.jobs import TERMINAL, Jobs
from local.wire.call import Call, Json, Reply
from local.wire.guard import Guard
from local.wire.place import Place

MAX_ENTRIES = 20_000
MAX_VALUE = 6000
_PREFIX = "job."
_STATUS = {"Completed": "FINISHED", "Failed": "FAILED", "Canceled": "KILLED", "Queued": "SCHEDULED"}


_ERRORS = {
    400: "INVALID_PARAMETER_VALUE",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "RESOURCE_DOES_NOT_EXIST",
    409: "INVALID_PARAMETER_VALUE",
    413: "INVALID_PARAMETER_VALUE",
    501: "NOT_IMPLEMENTED",
}


def error_json(refusal: Refusal) -> Json:
    """Return an error in MLflow's own shape: its client reads no other."""
    return {"error_code": _ERRORS.get(refusal.status, "INTERNAL_ERROR"), "message": str(refusal)}


class Tracking:
    """What jobs have logged."""

    def __init__(self, place: Place, store: Store, jobs: Jobs, guard: Guard) -> None:
        self.place = place
        self.store = store
        self.jobs = jobs
        self.guard = guard

    def token(self, job: str) -> str:
        return f"{_PREFIX}{job}.{self.guard.derive('tracking', job)}"

    def caller(self, bearer: str) -> str:
        """Return the job that a token is for, or "" for the workspace's own token.

        Raises:
            Unauthorized: it is neither, or the job has ended.
        """
        if self.guard.is_token(bearer):
            return ""
        job, _, _ = bearer.removeprefix(_PREFIX).rpartition(".")
        document = self.store.get("jobs", job)
        known = hmac.compare_digest(bearer.encode(), self.token(job).encode())
        if not known or document is None or document.body["status"] in TERMINAL:
            raise Unauthorized("The tracking token is wrong, or its job has ended")
        return job

    def environment(self, job: str, bundle: str) -> dict[str, str]:
        """Return what an MLflow client needs to log to a job's run."""
        return {
            "MLFLOW_TRACKING_URI": f"{self.place.control}{self.place.mlflow_path}",
            "MLFLOW_TRACKING_TOKEN": self.token(job),
            "MLFLOW_TRACKING_SERVER_CERT_PATH": bundle,
            "MLFLOW_RUN_ID": job,
            "MLFLOW_EXPERIMENT_ID": "0",
        }

    def logged(self, run: str) -> Json:
        document = self.store.get("runs", run)
        return document.body if document else {"params": {}, "tags": {}, "metrics": {}}

    def change(self, run: str, edit: Callable[[Json], None]) -> None:
        """Edit what a run has logged, all or nothing."""
        with self.store.transaction():
            self.jobs.get(run)
            body = self.logged(run)
            edit(body)
            entries = len(body["params"]) + len(body["tags"]) + sum(map(len, body["metrics"].values()))
            if entries > MAX_ENTRIES:
                raise TooLarge(f"A run logs at most {MAX_ENTRIES} values")
            self.store.put("runs", run, body)


def _run_of(tracking: Tracking, call: Call, run: object) -> str:
    name = str(run or "")
    if call.caller and call.caller != name:
        raise Forbidden(f"The tracking token is for run {call.caller} only")
    tracking.jobs.get(name)
    return name


def _text(given: Json, key: str) -> str:
    value = given.get(key)
    if value is None or len(str(value)) > MAX_VALUE:
        raise Invalid(f"{key} must be given, with at most {MAX_VALUE} characters")
    return str(value)


def _add_param(body: Json, given: Json) -> None:
    key, value = _text(given, "key"), _text(given, "value")
    if body["params"].setdefault(key, value) != value:
        raise Conflict(f"The parameter {key} was logged already, as another value")


def _add_metric(body: Json, given: Json) -> None:
    try:
        value = float(given["value"])
        stamp, step = int(given.get("timestamp") or time.time() * 1000), int(given.get("step") or 0)
    except (KeyError, TypeError, ValueError) as error:
        raise Invalid(f"{given!r} is not a metric") from error
    # JSON has no such numbers: they are kept as the words that MLflow itself uses.
    kept: Any = value if math.isfinite(value) else str(value)
    body["metrics"].setdefault(_text(given, "key"), []).append({"value": kept, "timestamp": stamp, "step": step})


def _add_tag(body: Json, given: Json) -> None:
    body["tags"][_text(given, "key")] = _text(given, "value")


def _milliseconds(stamp: str | None) -> int | None:
    return int(datetime.fromisoformat(stamp).timestamp() * 1000) if stamp else None


def _render(tracking: Tracking, document: Document) -> Json:
    body = document.body
    logged = tracking.logged(document.name)
    status = _STATUS.get(body["status"], "RUNNING")
    name = body["properties"].get("displayName", document.name)
    tags = {"mlflow.runName": name, "mlflow.user": "local user"} | logged["tags"]
    return {
        "run": {
            "info": {
                "run_id": document.name,
                "run_uuid": document.name,
                "run_name": name,
                "experiment_id": "0",
                "user_id": "local user",
                "status": status,
                "start_time": _milliseconds(body.get("started")),
                "end_time": _milliseconds(body.get("ended")),
                "artifact_uri": f"mlflow-artifacts:/{document.name}",
                "lifecycle_stage": "active",
            },
            "data": {
                "metrics": [{"key": key, **points[-1]} for key, points in logged["metrics"].items()],
                "params": [{"key": key, "value": value} for key, value in logged["params"].items()],
                "tags": [{"key": key, "value": value} for key, value in tags.items()],
            },
            "inputs": {},
        }
    }


def get_run(tracking: Tracking, call: Call) -> Reply:
    run = _run_of(tracking, call, call.query.get("run_id") or call.query.get("run_uuid"))
    return Reply(body=_render(tracking, tracking.jobs.get(run)))


def update_run(tracking: Tracking, call: Call) -> Reply:
    """Answer as if done: a run's status and times are those of its job, whatever its own code says."""
    run = _run_of(tracking, call, call.document().get("run_id"))
    return Reply(body={"run_info": _render(tracking, tracking.jobs.get(run))["run"]["info"]})


def log_batch(tracking: Tracking, call: Call) -> Reply:
    given = call.document()
    run = _run_of(tracking, call, given.get("run_id"))

    def edit(body: Json) -> None:
        for key, add in (("params", _add_param), ("metrics", _add_metric), ("tags", _add_tag)):
            for each in given.get(key) or []:
                add(body, each)

    tracking.change(run, edit)
    return Reply(body={})


def log_one(tracking: Tracking, add: Callable[[Json, Json], None], call: Call) -> Reply:
    given = call.document()
    run = _run_of(tracking, call, given.get("run_id") or given.get("run_uuid"))
    tracking.change(run, lambda body: add(body, given))
    return Reply(body={})


def get_metric_history(tracking: Tracking, call: Call) -> Reply:
    run = _run_of(tracking, call, call.query.get("run_id"))
    key = call.query.get("metric_key", "")
    points = tracking.logged(run)["metrics"].get(key, [])
    return Reply(body={"metrics": [{"key": key, **point} for point in points]})


def get_experiment(tracking: Tracking, call: Call) -> Reply:
    name = call.query.get("experiment_name", "Default")
    if call.query.get("experiment_id", "0") != "0":
        raise NotFound("Experiment", f"Experiment {call.query['experiment_id']} not found.")
    experiment = {"experiment_id": "0", "name": name, "lifecycle_stage": "active", "artifact_location": ""}
    return Reply(body={"experiment": experiment})


def create_logged_model(tracking: Tracking, call: Call) -> Reply:
    """Refuse MLflow 3's call for `log_model` with the 404 of Azure ML's tracking, which does not have it either."""
    del tracking, call
    raise NotFound("Api", "MLflow's logged models are not kept here: save the model as an output of the job.")


HANDLERS: tuple[tuple[str, str, Any], ...] = (
    ("GET", "runs/get", get_run),
    ("POST", "runs/update", update_run),
    ("POST", "runs/log-batch", log_batch),
    ("GET", "metrics/get-history", get_metric_history),
    ("GET", "experiments/get-by-name", get_experiment),
    ("GET", "experiments/get", get_experiment),
    ("POST", "logged-models", create_logged_model),
)
ADDERS: tuple[tuple[str, Callable[[Json, Json], None]], ...] = (
    ("runs/log-parameter", _add_param),
    ("runs/log-metric", _add_metric),
    ("runs/set-tag", _add_tag),
)
