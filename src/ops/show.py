"""Views: what the tasks print, as tables for people or JSON for scripts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ops import actions, console, deployments, glance, job_logs, jobs, lineage, page, scoring, wait
from ops import status as state
from ops.errors import NotFound, OpsError, first_line

if TYPE_CHECKING:
    from azure.ai.ml.entities import Job, Model
    from rich.console import Group

    from ops import traffic
    from ops.project import Project

_WATCH_SECONDS = 2.0


def job(project: Project, done: Job) -> dict[str, Any]:
    """Show a finished job: its metrics, and where to see the rest."""
    from ops import job_report

    report = job_report.read(project.client, done)
    shown = report.summary()
    console.show_pairs(f"metrics on {report.measured_on}", shown)
    actions.summary(f"{report.stage} job", shown)
    actions.outputs({"job": report.name})
    made = job_report.write(report, project.root)
    console.say(f"report: {made}")
    return {"job": report.name, "stage": report.stage, "metrics": report.metrics, "report": made}


def model(registered: Model) -> dict[str, Any]:
    """Show a registered version with its lineage; return all of its tags."""
    tags = lineage.tags_of(registered)
    kept = {key: tags[key] for key in (lineage.JOB, lineage.GIT, lineage.DATA, lineage.SERVED) if key in tags}
    console.show_pairs(f"model {registered.name}:{registered.version}", kept)
    actions.summary(f"model {registered.name}:{registered.version}", tags)
    actions.outputs({"model_name": registered.name, "model_version": registered.version})
    return {"name": registered.name, "version": registered.version, "tags": tags}


def split(found: traffic.Split) -> dict[str, Any]:
    """Return how the traffic is split."""
    return {"traffic": dict(found.live), "mirror": dict(found.mirror)}


def checks(made: Sequence[scoring.Check]) -> dict[str, Any]:
    """Show the endpoint test, a line a check."""
    console.show_rows(
        "endpoint test",
        [
            {"check": check.name, "": "ok" if check.ok else "FAILED", "ms": check.milliseconds, "seen": check.detail}
            for check in made
        ],
    )
    return {"checks": [asdict(check) for check in made]}


def status(project: Project, *, as_json: bool, watch: bool) -> dict[str, Any] | None:
    """Show the state of everything, and return it; or until Ctrl-C, in place on a terminal, else when it changed."""
    names = project.settings.names

    def look() -> dict[str, Any]:
        seen = state.snapshot(project.client, endpoint=names.endpoint, model=names.model, experiment=names.experiment)
        return {**seen, **_drift(project), "reports": _reports(project, seen), "next": console.hints(seen["next"])}

    if not watch:
        seen = look()
        _status(seen)
        return seen
    if as_json:
        _again(look, console.show_json)
    elif console.watched():
        with console.in_place() as draw:
            _again(look, lambda seen: draw(_glance(seen)), always=True)
    else:
        _again(look, _status)
    return None


def _again(look: Callable[[], dict[str, Any]], draw: Callable[[dict[str, Any]], None], *, always: bool = False) -> None:
    """Draw what is seen each time it changed (or each time, as ages grow) until Ctrl-C."""

    def observe() -> tuple[float | None, dict[str, Any]]:
        return (wait.clock() if always else None), look()

    with suppress(KeyboardInterrupt):
        wait.until(
            observe,
            lambda seen: False,
            what="status",
            deadline_seconds=float("inf"),
            poll_seconds=_WATCH_SECONDS,
            changed=lambda seen, elapsed: draw(seen[1]),
        )


def _drift(project: Project) -> dict[str, Any]:
    """Return what moved, or why that cannot be said: a job or a model that was deleted, rows that cannot be read."""
    from azure.core.exceptions import AzureError

    try:
        moved = {column: round(index, 4) for column, index in project.drift().items()}
    except (OpsError, AzureError) as fault:
        # The rest of the status is what tells what is wrong, and it stands without this.
        return {"drift": {}, "drift_fault": first_line(fault)}
    return {"drift": moved, "drift_fault": None}


def _glance(seen: Mapping[str, Any]) -> Group:
    return glance.drawn(seen, datetime.now(UTC), console.screen().width)


def _status(seen: Mapping[str, Any]) -> None:
    console.show(_glance(seen))
    endpoint = seen["endpoint"]
    pairs = {
        "workspace": seen["workspace"],
        "endpoint": f"{endpoint['name']}: {endpoint['state']}",
        "model": seen["model"]["latest"] or "none registered",
        "next": seen["next"],
    }
    actions.summary("status", pairs)
    actions.summary_rows("deployments", seen["slots"])


def _reports(project: Project, seen: Mapping[str, Any]) -> list[str]:
    """Return the pages that were written on this machine for the last rollout and the newest job that have one."""
    written = (project.root / page.ROLLOUTS).glob(f"{project.endpoint}-*.html")
    pages = sorted(written, key=lambda file: file.stat().st_mtime)[-1:] if seen["last_rollout"] else []
    jobs_pages = (project.root / page.JOBS / f"{job['name']}.html" for job in seen["jobs"])
    pages += [file for file in jobs_pages if file.exists()][:1]
    return [file.relative_to(project.root).as_posix() for file in pages]


def history(project: Project) -> dict[str, Any]:
    """Show every model version, newest first."""
    names = project.settings.names
    past = state.history(project.client, endpoint=names.endpoint, model=names.model)
    if past:
        console.show_rows("models", [_version(version) for version in past])
    else:
        console.say("no model is registered yet: inv train-dev, then inv train-prod")
    rollouts = [(ended, version["model"], how) for version in past for ended, how in version["rollouts"].items()]
    if rollouts:
        now = datetime.now(UTC)
        rows = [
            {"ended": glance.ago(when, now), "model": name, "how": how} for when, name, how in sorted(rollouts)[::-1]
        ]
        console.show_rows("rollouts", rows)
    return {"models": past}


def _version(past: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns of the table of models: its age, the commit by its first digits ("+": with changes)."""
    commit = str(past["git_commit"] or "-")
    return {
        "model": past["model"],
        "registered": glance.ago(past["registered"], datetime.now(UTC)),
        "slot": past["slot"],
        "auc": _rounded(past["auc"]),
        "learned from": past["data"],
        "job": past["job"],
        "commit": commit[:8] + ("+" if commit.endswith("+changes") else ""),
    }


def _rounded(metric: str | None) -> str:
    """Return a metric's tag as the pages show it; a tag that is no number stands as it is."""
    try:
        return f"{float(metric or ''):.4f}"
    except ValueError:
        return str(metric or "-")


def trace(project: Project, slot: str | None) -> dict[str, Any]:
    """Show where an answer came from, nearest first; a script gets all that is known of it."""
    body = scoring.read_request(project.sample)
    found = state.trace(project.client, endpoint=project.endpoint, sample=body, slot=slot)
    answer, model, deployment = found["answer"], found["model"], found["deployment"]
    split = "split."
    # Whatever the scoring script's run returns: an object with predictions is only what ours does.
    predictions = answer.get("predictions") if isinstance(answer, Mapping) else None
    console.show_pairs(
        "trace",
        {
            "answer": ", ".join(f"{each}" for each in (predictions if isinstance(predictions, list) else [answer])),
            "deployment": f"{deployment['slot']} of {deployment['endpoint']}, deployed {deployment.get('deployed_at')}",
            "model": f"{model['name']}:{model['version']}",
            "metrics": {key: value for key, value in found["metrics"].items() if not key.startswith(split)},
            "job": f"{found['job']['name']}: {found['job'].get('status')}",
            "data": {key.removeprefix("data."): value for key, value in found["data"].items()},
            "commit": found["git_commit"],
            "libraries": found["libraries"],
        },
    )
    found["report"] = _report_of(project, found["job"])
    console.say(f"report of the job: {found['report']}" if found["report"] else "the job left no report")
    return found


def _report_of(project: Project, job: Mapping[str, Any]) -> str | None:
    """Return the page of a job's report, made anew where it is missing: a job that has completed does not change."""
    from ops import job_report

    made = job_report.place(project.root, job["name"])
    if made.exists():
        return made.relative_to(project.root).as_posix()
    if job.get("status") != "Completed":
        return None
    try:
        return job_report.write(job_report.read(project.client, project.client.jobs.get(job["name"])), project.root)
    except (NotFound, KeyError):  # a job of other code may have left other figures
        return None


def logs(project: Project, slot: str | None, job_name: str | None, lines: int) -> None:
    """Print the end of a deployment's or a job's log."""
    console.check_lines(lines)
    if job_name:
        jobs.get(project.client, job_name)
        said = job_logs.end(project.client, job_name, lines)
    else:
        slots = [slot] if slot else sorted(deployments.listed(project.client, project.endpoint))
        parts = [(name, deployments.logs(project.client, project.endpoint, name, lines=lines)) for name in slots]
        said = "\n".join(f"--- {name}\n{text}" for name, text in parts if text)
    if not said:
        raise NotFound(f"no log of {job_name or slot or project.endpoint}: inv status shows what there is")
    print(said)
