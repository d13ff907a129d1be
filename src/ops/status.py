"""What is, what was, and where an answer came from: read from the workspace, never remembered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ops import deployments, endpoints, jobs, lineage, models, provisioning, scoring, traffic
from ops.errors import OpsError
from ops.rollout import lease, ledger
from ops.rollout.position import identity, was_rolled_back

if TYPE_CHECKING:
    from azure.ai.ml import MLClient
    from azure.ai.ml.entities import Job, Model, OnlineDeployment, OnlineEndpoint


def snapshot(client: MLClient, *, endpoint: str, model: str, experiment: str) -> dict[str, Any]:
    """Return the state of everything at a glance, as plain data: workspace, jobs, model, endpoint, slots, what next."""
    there = endpoints.find(client, endpoint)
    split = traffic.split_of(there)
    slots = deployments.listed(client, endpoint) if there else {}
    registered = models.versions(client, model)
    newest = registered[-1] if registered else None
    mine = [job for job in jobs.listed(client, 50) if job.experiment_name == experiment]
    state: dict[str, Any] = {
        "workspace": client.workspace_name,
        "jobs": [_job(job) for job in mine[:5]],
        "model": {
            "name": model,
            "latest": newest.version if newest else None,
            "registered": _created(newest) if newest else None,
        },
        "endpoint": {
            "name": endpoint,
            "state": provisioning.state(there) if there else "not created",
            "scoring_uri": there.scoring_uri if there else None,
        },
        "slots": [
            {
                "slot": slot,
                "traffic": split.share(slot),
                "mirror": split.mirror.get(slot, 0),
                "state": provisioning.state(found),
                "model": deployments.model_of(found),
                "deployed_at": deployments.deployed_at(found),
                "rolled_back": bool(there and was_rolled_back(there, identity(found, slot))),
            }
            for slot, found in sorted(slots.items())
        ],
        "rollout": _under_way(there, slots, split) if there else None,
        "last_rollout": _last_rollout(registered),
        "rolled_back": lineage.tags_of(there).get(lineage.ROLLED_BACK) if there else None,
    }
    return state | {"next": _next(state, [job for job in mine if lineage.tags_of(job).get(lineage.STAGE) == "prod"])}


def _next(state: Mapping[str, Any], prod_jobs: list[Job]) -> str:
    slots = state["slots"]
    serving = [slot for slot in slots if slot["traffic"]]
    newest = max(slots, key=lambda slot: slot["deployed_at"], default=None)
    if state["model"]["latest"] is None and not prod_jobs:
        return "inv train-dev, then inv train-prod"
    if not slots or not serving:
        return "inv deploy"
    if state["rollout"] and state["rollout"]["held_by"]:
        return "it goes on by itself: inv studio shows it, inv rollback ends it"
    if len(serving) > 1 or (state["rollout"] and state["rollout"]["step"] == 100):
        return "inv rollout to go on, or inv rollback"
    latest = f"{state['model']['name']}:{state['model']['latest']}"
    if newest and (newest["rolled_back"] or newest["state"] == provisioning.FAILED):
        mend = f"mend {newest['slot']} (inv logs --slot {newest['slot']}), then inv deploy"
        return mend + ("; or inv rollout --force, as it is" if newest["rolled_back"] else "")
    if newest and not newest["traffic"]:
        return f"inv rollout takes {newest['slot']} live"
    if len(slots) > 1:
        return "inv cleanup deletes the old colour"
    return "nothing: the newest model is live" if serving[0]["model"] == latest else "inv deploy"


def _job(job: Job) -> dict[str, Any]:
    tags = lineage.tags_of(job)
    about = {"name": job.name, "stage": tags.get(lineage.STAGE), "status": jobs.status(job)}
    return {**about, "created": _created(job), "studio": job.studio_url}


def _created(resource: Job | Model) -> str | None:
    """Return when it was made (ISO), None where the workspace does not say."""
    made = lineage.created(resource)
    return made.isoformat(timespec="seconds") if made else None


def _under_way(
    endpoint: OnlineEndpoint, slots: Mapping[str, OnlineDeployment], split: traffic.Split
) -> dict[str, Any] | None:
    """Return the rollout that has not come to its end, with who is at it now; None when there is none."""
    tags = lineage.tags_of(endpoint)
    for slot, found in slots.items():
        # One that was rolled back may have been begun again, with force.
        share = split.share(slot)
        if was_rolled_back(endpoint, identity(found, slot)) and not share:
            continue
        rollout = ledger.under_way(tags, identity(found, slot))
        # All the traffic, and not by its last step: a person gave it that.
        if rollout and (share != 100 or rollout["step"] == 100):
            holder = lease.read(tags.get(lineage.LEASE))
            return {
                **rollout,
                "held_by": holder.holder.partition(" #")[0] if holder and lease.is_held(holder) else None,
            }
    return None


def _last_rollout(registered: Sequence[Model]) -> dict[str, str] | None:
    """Return how the newest rollout of any version ended, None before the first."""
    ended = [
        {"ended": when, "model": f"{version.name}:{version.version}", "how": how}
        for version in registered
        for when, how in models.outcomes(version).items()
    ]
    return max(ended, key=lambda each: each["ended"], default=None)


def history(client: MLClient, *, endpoint: str, model: str) -> list[dict[str, Any]]:
    """Return each model version with where it came from and what became of it, newest first."""
    slots = deployments.listed(client, endpoint)
    serving = {deployments.model_of(found): slot for slot, found in slots.items()}
    return [_past(version, serving) for version in reversed(models.versions(client, model))]


def _past(version: Model, serving: Mapping[str, str]) -> dict[str, Any]:
    tags = lineage.tags_of(version)
    name = f"{version.name}:{version.version}"
    return {
        "model": name,
        "registered": _created(version),
        "job": tags.get(lineage.JOB),
        "git_commit": tags.get(lineage.GIT),
        "data": _span(tags),
        "auc": tags.get(lineage.METRIC + "auc"),
        "slot": serving.get(name),
        "rollouts": models.outcomes(version),
    }


def _span(tags: Mapping[str, str]) -> str:
    """Return how many rows a model learned from, and to which day, where the rows have a time."""
    rows = f"{int(tags[lineage.ROWS]):,} rows" if tags.get(lineage.ROWS, "").isdigit() else "? rows"
    return f"{rows} to {tags[lineage.LAST][:10]}" if lineage.FIRST in tags else rows


def trace(client: MLClient, *, endpoint: str, sample: bytes, slot: str | None) -> dict[str, Any]:
    """Ask the endpoint once, and follow the answer back: deployment, model version, job, metrics, data, git commit."""
    answer = scoring.call(scoring.address_of(client, endpoint), sample, slot)
    answered_by = answer.headers.get(scoring.PIN)
    if answer.status_code != 200 or not answered_by:
        raise OpsError(
            f"endpoint {endpoint} answered {answer.status_code}: {answer.text[:300]}; inv status shows its state"
        )
    body = scoring.content(answer, f"endpoint {endpoint}")
    deployment: OnlineDeployment = client.online_deployments.get(answered_by, endpoint)
    name, _, version = deployments.model_of(deployment).partition(":")
    model = models.get(client, name, version)
    tags = lineage.tags_of(model)
    return {
        "answer": body,
        "request_id": answer.headers.get("x-ms-request-id") or answer.headers.get("x-request-id"),
        "deployment": {"endpoint": endpoint, "slot": answered_by, **_kept(lineage.tags_of(deployment))},
        "model": {"name": name, "version": version, "path": model.path},
        "metrics": {
            key.removeprefix(lineage.METRIC): tags[key] for key in sorted(tags) if key.startswith(lineage.METRIC)
        },
        "data": {
            "fingerprint": tags.get(lineage.DATA),
            **{key: tags[key] for key in (lineage.FIRST, lineage.LAST, lineage.ROWS) if key in tags},
        },
        "libraries": {key.removeprefix(lineage.LIBRARY): tags[key] for key in tags if key.startswith(lineage.LIBRARY)},
        "job": _trace_job(client, tags.get(lineage.JOB)),
        "git_commit": tags.get(lineage.GIT),
    }


def _kept(tags: Mapping[str, str]) -> dict[str, str]:
    return {key: tags[key] for key in (lineage.DEPLOYED, lineage.CODE, lineage.GIT) if key in tags}


def _trace_job(client: MLClient, name: str | None) -> dict[str, Any]:
    from azure.core.exceptions import ResourceNotFoundError

    if not name:
        return {"name": None}
    try:
        job = client.jobs.get(name)
    except ResourceNotFoundError:
        return {"name": name, "status": "deleted"}
    return _job(job) | {"fingerprint": lineage.tags_of(job).get(lineage.FINGERPRINT)}
