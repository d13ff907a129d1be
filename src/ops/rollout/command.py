"""One `inv rollout`: the plan from the settings, evidence from probes, observers, a report, a line in history."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from ops import actions, console, deployments, endpoints, lineage, page, traffic, wait, workspace
from ops.errors import OpsError, UsageError, first_line
from ops.evidence import Counts, Times
from ops.rollout import history, machine, moves, observers, report
from ops.rollout.ledger import Ledger
from ops.rollout.live import Live
from ops.rollout.monitor import Monitor
from ops.rollout.plan import Plan
from ops.rollout.position import Position
from ops.rollout.probes import ERROR, Block, Prober
from ops.rollout.record import Record

if TYPE_CHECKING:
    from azure.ai.ml.entities import OnlineDeployment

    from ops.project import Project

T = TypeVar("T")
ON_FAIL = ("rollback", "pause")
# Beyond it the new deployment carries more of the load than the old one, and may be slower for no fault of its own.
_ALIKE_SHARE = 50
_LOG_LINES = 100  # of a deployment that was rolled back, kept in the report
_OPENING_SECONDS = 120.0  # how long a workspace that is half broken may keep a rollout from beginning


def run(
    project: Project,
    *,
    on_fail: str | None = None,
    step: str | None = None,
    mirror: str | None = None,
    dry_run: bool = False,
    force: bool = False,
) -> dict[str, Any]:
    """Roll out as the settings say, but for what was asked for this time; say where it ended."""
    if on_fail not in (None, *ON_FAIL):
        raise UsageError(f"--on-fail {on_fail}: give {' or '.join(ON_FAIL)}")
    copies = moves.parse_percentage(mirror, "--mirror") if mirror else None
    if copies is not None and copies > traffic.MOST_MIRROR:
        raise UsageError(f"--mirror {copies}: give at most {traffic.MOST_MIRROR}")
    stop_after = moves.parse_percentage(step, "--step") if step else 100
    plan = project.rollout_plan(on_fail=on_fail, stop_after=stop_after, mirror=copies)
    if dry_run:
        return _show_plan(project, plan)
    record = Record()
    try:
        ended = go(project, plan, record, force=force)
    except OpsError as fault:
        fault.facts |= record.facts()
        raise
    return {"new": ended.new, "old": ended.old, "share": ended.share, **record.facts()}


def go(
    project: Project,
    plan: Plan,
    record: Record,
    *,
    force: bool = False,
    pairs_per_second: float | None = None,
    further: Sequence[machine.Observer] = (),
) -> Position:
    """Run the state machine with probes of the live rows, and write the report however it ends."""
    deployed = _outlast(lambda: deployments.listed(project.client, plan.endpoint))
    models_of = {slot: deployments.model_of(found) for slot, found in deployed.items()}
    rate = pairs_per_second or project.settings.rollout.probes_per_second
    prober = Prober(lambda: _outlast(lambda: project.address), project.sample, project.live_rows)
    lag = project.settings.metrics_lag_seconds
    slow_seconds = project.settings.rollout.slow_ms / 1000
    monitor = _outlast(lambda: _monitor(project))

    @cache
    def live() -> Live | None:
        # From the first judged request on: the endpoint test before it sends bad requests, which are no evidence.
        return None if monitor is None else Live(monitor.requests, prober.sent, lag, time.time())

    def collect(position: Position, ledger: Ledger, seconds: float) -> Iterator[Block | Times]:
        assert position.old is not None
        counted = live()
        for pair in prober.pairs(position.old, position.new, rate, seconds, ledger.requests_at_step()):
            record.pair(pair)
            yield pair.block(slow_seconds)
            if ledger.step <= _ALIKE_SHARE and (times := pair.times()):
                yield times
        if counted is not None:
            yield from _whole_minutes(counted, position)

    def past(position: Position) -> Mapping[str, Counts]:
        if monitor is None or position.old is None:
            return {}
        return _past(project, monitor, position.old, deployed[position.old])

    try:
        with observers.on_console(record, *further) as observer:
            rollout = machine.Rollout(project.client, plan, collect, observer, past)
            ended = rollout.go(lambda slot: _outlast(lambda: project.test(slot)), force=force)
    finally:
        if record.position is not None and record.steps:
            _keep(project, plan, record, record.position, models_of)
    if record.position is None:
        console.say(f"{ended.new} has {ended.share} % of the traffic: there is nothing to roll out")
    elif ended.share == 100:
        console.say(f"inv cleanup deletes {ended.old}")
    return ended


def _outlast(call: Callable[[], T]) -> T:
    return wait.retrying(call, what="the workspace", deadline_seconds=_OPENING_SECONDS)


def _monitor(project: Project) -> Monitor | None:
    """Return where the endpoint's live requests are counted; None when they are not to be asked for."""
    if not project.settings.rollout.live_metrics:
        return None
    endpoint = endpoints.get(project.client, project.endpoint)
    client = workspace.metrics_client(project.settings, str(endpoint.location))
    return Monitor(client, str(endpoint.id))


def _past(project: Project, monitor: Monitor, slot: str, deployed: OnlineDeployment) -> Mapping[str, Counts]:
    """Return how often the old deployment failed of late; {} when that cannot be read, which costs some speed only."""
    from azure.core.exceptions import AzureError

    try:
        found = history.of(
            monitor.requests,
            slot,
            moment=time.time(),
            minutes=project.settings.rollout.history_minutes,
            lag_seconds=project.settings.metrics_lag_seconds,
            deployed=deployments.deployed_at(deployed),
        )
    except AzureError as fault:
        console.say(f"the past of {slot} cannot be read, its rate is learned on the way: {first_line(fault)}")
        return {}
    return {ERROR: found}


def _whole_minutes(live: Live, position: Position) -> Iterator[Block]:
    """Yield what the live requests add; metrics that cannot be read are said, and the probes go on alone."""
    from azure.core.exceptions import AzureError

    try:
        yield from live.blocks(position, time.time())
    except AzureError as fault:
        console.say(f"live metrics cannot be read, the probes go on: {first_line(fault)}")


def _show_plan(project: Project, plan: Plan) -> dict[str, Any]:
    endpoint, position = machine.observe(project.client, plan.endpoint)
    tags = lineage.tags_of(endpoint)
    ledger = Ledger.read(tags, position.identity, plan.policy)
    left, verdict = machine.left_to_do(position, tags, plan), _verdict(position, ledger)
    console.show_pairs(
        "rollout, dry run: nothing is changed",
        {
            "from": position.old,
            "to": f"{position.new}, now at {position.share} %",
            "steps": ", ".join(f"{step} %" for step in left) or "none: there is nothing to roll out",
            "each": f"at least {plan.bake_seconds:g} s, {plan.min_requests} requests; at most {plan.step_seconds:g} s",
            "when bad": plan.on_fail,
            "verdict so far": verdict,
        },
    )
    return {"new": position.new, "old": position.old, "share": position.share, "steps": left, "verdict": verdict}


def _verdict(position: Position, ledger: Ledger) -> str:
    verdict = ledger.evidence.verdict()
    return f"{verdict.answer}: {machine.explain(position, verdict)}" if ledger.requests else "nothing seen yet"


def _keep(project: Project, plan: Plan, record: Record, position: Position, models_of: Mapping[str, str]) -> None:
    """Write the report, and how it ended into the model's tags, where any machine finds it."""
    model = models_of.get(position.new, "")
    seconds = round(record.seconds_taken, 1)
    about: dict[str, Any] = {
        "model": model,
        "replaces": models_of.get(position.old or ""),
        "seconds": seconds,
        "alpha": plan.policy.alpha,
        "beta": plan.policy.beta,
        "log": "",
    }
    if record.word == "rolled-back":
        # With the next deployment there it is gone.
        about["log"] = deployments.last_words(project.client, project.endpoint, position.new, lines=_LOG_LINES)
    with _hiding_nothing():
        made = report.write(project.root / page.ROLLOUTS, plan.endpoint, position, record, about)
        record.report = str(made.relative_to(project.root))
        console.say(f"report: {record.report}")
    with _hiding_nothing():
        _publish(record, model, seconds)
    moves.remember(project.client, model, f"{position.new}, {seconds:g} s: {record.outcome}", console.say)


@contextmanager
def _hiding_nothing() -> Iterator[None]:
    """Say what cannot be written, and go on: a full disk must not hide how the rollout ended."""
    try:
        yield
    except OSError as fault:
        console.say(f"not written: {fault}")


def _publish(record: Record, model: str, seconds: float) -> None:
    """Tell GitHub Actions, where this runs there."""
    actions.summary("rollout", {"outcome": record.outcome, "model": model, "seconds": seconds})
    evidence = record.points[-1]["metrics"] if record.points else {}
    rows = [{"metric": metric, **report.cells(found)} for metric, found in evidence.items()]
    actions.summary_rows("evidence", rows)
    actions.outputs({"verdict": record.word, "model": model})
