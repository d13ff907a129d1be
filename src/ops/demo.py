"""The demo: the whole story of docs/flow.md on the local workspace, under load, with two bad releases at the end."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ops import (
    actions,
    console,
    deployments,
    job_report,
    lineage,
    models,
    release,
    replay,
    traffic,
    training,
    workspace,
)
from ops.console import say
from ops.errors import OpsError, Refused, RolledBack, TestFailed, UsageError
from ops.evidence import Verdict
from ops.rollout import command as rollout
from ops.rollout import moves
from ops.rollout.ledger import Ledger
from ops.rollout.position import Position

if TYPE_CHECKING:
    from azure.ai.ml.entities import Model

    from ops.project import Project

_FIRST_MONTHS = 6  # what the first model learns from; the second learns from all
_BAKE_SECONDS = 3.0
_PAIRS_PER_SECOND = 100.0  # as fast as one client can, on a machine of its own
_SHOWN_METRICS = ("auc", "average_precision", "log_loss", "brier")


@dataclass
class Story:
    """What the demo saw, phase by phase."""

    seconds: dict[str, float] = field(default_factory=dict)
    steps: list[dict[str, Any]] = field(default_factory=list)
    outcomes: dict[str, str] = field(default_factory=dict)
    bad: list[tuple[str, float, float]] = field(default_factory=list)  # slot of a bad release; from when, till when

    @contextmanager
    def phase(self, title: str) -> Iterator[None]:
        """Announce a phase and take its time."""
        console.heading(f"{len(self.seconds) + 1}. {title}")
        start = time.monotonic()
        yield
        self.seconds[title] = round(time.monotonic() - start, 1)


def run(project: Project, *, json_file: str | None, approved: bool) -> dict[str, Any]:
    """Tell the story and return its summary, which is also shown, and written to `json_file` when that is given.

    Starts from an empty workspace: one that holds something is emptied after a yes. Raises OpsError when a client's
    request failed that a bad release is not to blame for, or when a bad release got away.
    """
    _empty_workspace(project, approved=approved)
    story, start = Story(), time.monotonic()
    with story.phase("Train on the dev data"):
        training.train(project.client, project.plan, training.DEV, say)
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
    summary = _summary(project, story, clients, (first, second), time.monotonic() - start)
    if json_file:
        Path(json_file).write_text(json.dumps(summary, indent=2) + "\n")
    _show(project, summary)
    if summary["failed"]:
        raise OpsError(f"{summary['failed']} of {summary['requests']} requests failed: {summary['failures']}")
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
    plan = project.plan
    with tempfile.TemporaryDirectory() as folder:
        if months:
            for file in sorted(plan.folder(training.PROD).iterdir())[:months]:
                shutil.copy(file, folder)
            plan = replace(plan, data={**plan.data, training.PROD: Path(folder)})
        vouching = training.gate(project.client, plan)
        say(f"dev job {vouching.name} vouches for this code; the person's yes was to run the demo")
        job = training.train(project.client, plan, training.PROD, say)
    model = project.register(str(job.name), force=False)
    page = job_report.write(project.client, project.root / job_report.REPORTS, job)
    say(f"report: {page.relative_to(project.root)}")
    return model


def _deploy(project: Project, model: Model, code: Path | None = None) -> release.Decision:
    target = replace(project.target, code=code)
    return release.deploy(project.client, target, model, say, slot=None, force=False, dry_run=False)


class Splits:
    """A watch that compares, step by step, the split that was set with the one that the clients saw."""

    def __init__(self, clients: replay.Replay) -> None:
        """Look at the answers of `clients`."""
        self._clients = clients
        self._set: dict[str, int] = {}
        self._since = 0.0
        self.steps: list[dict[str, Any]] = []

    def begin(self, now: Position, kept: Ledger) -> None:
        """Nothing to compare yet."""

    def step(self, now: Position, split: traffic.Split) -> None:
        """The split changed: a step ended, another begins."""
        self._close()
        self._set, self._since = dict(split.live), time.monotonic()

    def seen(self, now: Position, kept: Ledger, verdict: Verdict) -> None:
        """Evidence is the report's."""

    def end(self, now: Position, kept: Ledger, outcome: str) -> None:
        """The last step ended."""
        self._close()

    def _close(self) -> None:
        if self._set:
            seen = self._clients.between(self._since, time.monotonic())
            self.steps.append({"set": self._set, "observed": replay.shares(seen), "requests": len(seen)})
        self._set = {}


def _roll_out(project: Project, splits: Splits) -> None:
    plan = replace(project.rollout_plan(), bake_seconds=_BAKE_SECONDS)
    rollout.go(project, plan, pairs_per_second=_PAIRS_PER_SECOND, also=splits)


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
            first = str(stopped).splitlines()[0]
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


def _summary(
    project: Project, story: Story, clients: replay.Replay, trained: tuple[Model, Model], seconds: float
) -> dict[str, Any]:
    def blamed(answer: replay.Answer) -> bool:
        return any(answer.slot == slot and start <= answer.at < end for slot, start, end in story.bad)

    failures = [answer for answer in clients.answers if not answer.ok]
    unexplained = [answer for answer in failures if not blamed(answer)]
    return {
        "requests": len(clients.answers),
        "failed": len(unexplained),
        "bad_green_failures": len(failures) - len(unexplained),
        "seconds": round(seconds, 1),
        "failures": sorted({f"{answer.slot or 'nobody'}: {answer.status or 'no answer'}" for answer in unexplained}),
        "p50_ms": replay.percentile(clients.answers, 0.5),
        "p99_ms": replay.percentile(clients.answers, 0.99),
        "steps": story.steps,
        "models": {f"{model.name}:{model.version}": _metrics(model) for model in trained},
        "outcomes": story.outcomes,
        "phases": story.seconds,
        "endpoint": project.address.uri,
    }


def _metrics(model: Model) -> dict[str, float]:
    tags = model.tags or {}
    return {name: float(tags[lineage.METRIC + name]) for name in _SHOWN_METRICS if lineage.METRIC + name in tags}


def _show(project: Project, summary: dict[str, Any]) -> None:
    console.heading("Summary")
    steps = [
        {
            "set": "  ".join(f"{slot} {share} %" for slot, share in sorted(step["set"].items())),
            "observed": "  ".join(f"{slot} {share:.1f} %" for slot, share in step["observed"].items()),
            "requests": step["requests"],
        }
        for step in summary["steps"]
    ]
    console.show_rows("traffic, step by step", steps)
    console.show_rows(
        "models on October to December", [{"model": name, **metrics} for name, metrics in summary["models"].items()]
    )
    console.show_rows("time", [{"phase": name, "seconds": taken} for name, taken in summary["phases"].items()])
    latency = f"{summary['p50_ms']:.1f} ms median, {summary['p99_ms']:.1f} ms at the 99th percentile"
    outcome = {
        "requests": summary["requests"],
        "failed": summary["failed"],
        "failed by the flaky release": summary["bad_green_failures"],
        "latency": latency,
        **summary["outcomes"],
        "seconds": summary["seconds"],
    }
    console.show_pairs("outcome", outcome)
    actions.summary("demo", outcome)
    say(f"The endpoint is up: {summary['endpoint']}")
    say('Call it: inv score, or eval "$(inv key --export)" and then eval "$(inv curl)"')
    say("See it: inv studio, inv status, inv trace, inv history, reports in outputs/.   Stop it: inv workspace.stop")
