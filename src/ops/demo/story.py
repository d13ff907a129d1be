"""The story itself: its phases in order, each made of the same calls as the tasks."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ops import (
    console,
    csv_rows,
    deployments,
    job_report,
    models,
    release,
    replay,
    traffic,
    training,
    workspace,
)
from ops.console import say
from ops.demo.splits import Splits
from ops.demo.summary import Story, show, summed
from ops.errors import OpsError, Refused, RolledBack, TestFailed, UsageError, first_line
from ops.rollout import command as rollout
from ops.rollout import moves
from ops.rollout.record import Record

if TYPE_CHECKING:
    from azure.ai.ml.entities import Model

    from ops.project import Project

_FIRST_MONTHS = 6  # what the first model learns from; the second learns from all
_BAKE_SECONDS = 2.0
_FLAKY_COLUMN = "visib"  # which demo/flaky/score.py looks at
_PAIRS_PER_SECOND = 100.0  # as fast as one client can, on a machine of its own


def run(project: Project, *, approved: bool) -> dict[str, Any]:
    """Tell the story and return its summary, which is also shown.

    Starts from an empty workspace: one that holds something is emptied after a yes. Raises OpsError when a client's
    request failed that a bad release is not to blame for, or when a bad release got away.
    """
    if _FLAKY_COLUMN not in csv_rows.columns_of(project.sample):
        raise UsageError(
            f"the demo is about the flights of data/: its flaky release fails by their column {_FLAKY_COLUMN}, which "
            f"{project.sample.name} has not; the README's tasks, one by one, do the same with your data"
        )
    _empty_workspace(project, approved=approved)
    story, start = Story(), time.monotonic()
    with story.phase("Train on the dev data"):
        training.train(project.client, project.training_plan, training.DEV, say)
    with story.phase("Train on January to June, register"):
        first = _train(project, _FIRST_MONTHS)
    with story.phase("Deploy model 1 to blue"):
        _deploy(project, first)
    with replay.Replay(project.address, project.sample, project.live_rows) as clients:
        with story.phase("Train on January to September, register"):
            second = _train(project, None)
        with story.phase("Deploy model 2 to green at 0 %"):
            _deploy(project, second)
        with story.phase("Roll out: 10, 25, 50, 100 %"):
            splits = Splits(clients)
            _roll_out(project, splits)
            story.steps = splits.steps
        with story.phase("Delete the old colour"):
            moves.cleanup(
                project.client, project.endpoint, force=False, deadline_seconds=project.operation_seconds, say=say
            )
        with story.phase("A broken release: stopped by its test"):
            story.outcomes["broken release"] = _broken(project, second)
        with story.phase("A flaky release: rolled back"):
            story.outcomes["flaky release"] = _flaky(project, second, story, clients)
    summary = summed(project, story, clients, (first, second), time.monotonic() - start)
    show(summary)
    if summary["failed"]:
        raise OpsError(
            f"{summary['failed']} of {summary['requests']} requests failed: {summary['failures']}", **summary
        )
    return summary


def _empty_workspace(project: Project, *, approved: bool) -> None:
    if not project.settings.is_local:
        raise UsageError(f'the demo is for the local workspace; workspace is "{project.settings.workspace}"')
    names = project.settings.names
    used = bool(models.versions(project.client, names.model) or deployments.listed(project.client, names.endpoint))
    if not used:
        return
    folder = project.settings.local.folder
    if not approved and not console.ask(
        f"The demo starts from nothing. Delete every job, model and deployment in {folder}?"
    ):
        raise Refused(f"{folder} is in use and stays as it was: answer yes, or give --yes")
    workspace.reset_local(project.settings)
    del project.client  # made anew for the new server


def _train(project: Project, months: int | None) -> Model:
    plan = project.training_plan
    with tempfile.TemporaryDirectory() as folder:
        if months:
            for file in csv_rows.csv_files(plan.folder(training.PROD))[:months]:
                shutil.copy(file, folder)
            plan = replace(plan, data={**plan.data, training.PROD: Path(folder)})
        # The person's yes was to run the demo.
        job = training.train_prod(project.client, plan, say, approve=lambda question: True, force=False)
    model = project.register(str(job.name), force=False)
    say(f"report: {job_report.write(job_report.read(project.client, job), project.root)}")
    return model


def _deploy(project: Project, model: Model, code: Path | None = None) -> release.Decision:
    target = replace(project.target, code=code)
    return release.deploy(project.client, target, model, say, slot=None, force=False, dry_run=False)


def _roll_out(project: Project, splits: Splits) -> None:
    plan = replace(project.rollout_plan(), bake_seconds=_BAKE_SECONDS)
    rollout.go(project, plan, Record(), pairs_per_second=_PAIRS_PER_SECOND, further=[splits])


@contextmanager
def _bad_release(project: Project, name: str) -> Iterator[Path]:
    """Give the folder of a bad release: the scoring code with demo/NAME/score.py in front of its own."""
    with tempfile.TemporaryDirectory() as folder:
        code = Path(folder) / "score"
        shutil.copytree(project.root / "src" / "score", code, ignore=shutil.ignore_patterns("__pycache__"))
        (code / "score.py").rename(code / "good_score.py")
        shutil.copy(project.root / "demo" / name / "score.py", code)
        yield code


def _broken(project: Project, model: Model) -> str:
    with _bad_release(project, "broken") as code:
        try:
            _deploy(project, model, code)
        except TestFailed as stopped:
            first = first_line(stopped)
            say(f"{first}; traffic: {traffic.read(project.client, project.endpoint)}")
            return first
    raise OpsError("the broken release passed the endpoint test")


def _flaky(project: Project, model: Model, story: Story, clients: replay.Replay) -> str:
    start = time.monotonic()
    with _bad_release(project, "flaky") as code:
        slot = _deploy(project, model, code).slot or ""
        try:
            _roll_out(project, Splits(clients))
        except RolledBack as caught:
            # A request that was on its way when the traffic went back may still be answered by the bad release.
            story.bad.append((slot, start, time.monotonic() + 1))
            say(str(caught))
            return str(caught).split(". ")[0]
    raise OpsError(f"the flaky release was not caught; clients saw {len(clients.answers)} answers")
