"""The rollout: from the old deployment to the new one in steps, judged on evidence (rows 19 to 27 of docs/flow.md).

Observe, decide, act, observe. Where a rollout stands is on the endpoint: the split, and a ledger in its tags. So one
that was killed goes on at the same step with the evidence it had, on any machine; a lease keeps two operators apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, NoReturn, Protocol, TypeVar

from ops import deployments, endpoints, lineage, provisioning, traffic, wait
from ops.errors import Paused, Refused, RolledBack, first_line
from ops.evidence import Counts, Times, Verdict
from ops.rollout.hold import Hold
from ops.rollout.ledger import DONE, PAUSED, ROLLED_BACK, Ledger, ended
from ops.rollout.plan import Plan
from ops.rollout.position import Position, identity, steps_left, was_rolled_back
from ops.rollout.probes import Block

if TYPE_CHECKING:
    from azure.ai.ml import MLClient
    from azure.ai.ml.entities import OnlineEndpoint

T = TypeVar("T")
Action = Literal["wait", "next", "bad", "late"]


class Observer(Protocol):
    """Who is told how a rollout goes: a terminal, a log, a report."""

    def begin(self, position: Position, ledger: Ledger) -> None: ...
    def step(self, position: Position, split: traffic.Split) -> None: ...
    def seen(self, position: Position, ledger: Ledger, verdict: Verdict) -> None: ...
    def end(self, position: Position, ledger: Ledger, outcome: str) -> None: ...


# Evidence of both deployments, for so many seconds, after what the ledger says was seen.
Collect = Callable[[Position, Ledger, float], Iterator[Block | Times]]
History = Callable[[Position], Mapping[str, Counts]]  # what the old deployment did before, by metric


def decide(verdict: Verdict, seconds: float, requests: int, plan: Plan) -> Action:
    """Say what the evidence asks for after so long, and so many judged requests, at a step. Pure.

    Bad is said at once; good only after enough requests and time.
    """
    if verdict.answer == "bad":
        return "bad"
    if verdict.answer == "good" and seconds >= plan.bake_seconds and requests >= plan.min_requests:
        return "next"
    return "late" if seconds > plan.step_seconds else "wait"


class Rollout:
    """One run of the state machine. `go` is all there is to call."""

    def __init__(
        self, client: MLClient, plan: Plan, collect: Collect, observer: Observer, history: History | None = None
    ) -> None:
        """Work on `plan.endpoint`, with evidence from `collect`, telling `observer`; `history` is asked first."""
        self._client = client
        self._plan = plan
        self._collect = collect
        self._observer = observer
        self._history = history
        self._hold = Hold(
            client, plan.endpoint, lease_seconds=plan.lease_seconds, deadline_seconds=plan.deadline_seconds
        )
        self._ledger = Ledger.start("", plan.policy)
        self._begun = self._told = False

    def go(self, preflight: Callable[[str], object], *, force: bool = False) -> Position:
        """Take the new deployment from its present share to `plan.stop_after`, and return where it ended.

        Before its first share it must pass `preflight`, the endpoint test, which raises when it does not. Raises
        RolledBack or Paused by what the evidence says, and Refused while another operator holds the endpoint, or for
        a deployment that was rolled back before; `force` overrides both refusals, and judges a bad one anew.
        """
        endpoint, position = self._retrying(lambda: observe(self._client, self._plan.endpoint))
        tags = lineage.tags_of(endpoint)
        left = left_to_do(position, tags, self._plan)
        if not left:
            return position
        if not force:
            _refuse_a_second_try(endpoint, position)
        self._ledger = Ledger.read(tags, position.identity, self._plan.policy)
        if force and self._ledger.evidence.verdict().answer == "bad":
            self._ledger = Ledger.start(position.identity, self._plan.policy)
        if self._ledger.is_new and self._history is not None:
            self._ledger = Ledger.start(position.identity, self._plan.policy, self._history(position))
        # Whoever forces it has seen the mark: to go on later needs no force again.
        lifted = {lineage.ROLLED_BACK: ""} if force and was_rolled_back(endpoint, position.identity) else {}
        try:
            self._hold.take(endpoint, lifted, force=force)
            self._begun = True
            self._observer.begin(position, self._ledger)
            if position.share == 0:
                preflight(position.new)
                self._mirror(position)
            for step in left:
                self._step(position, step)
            return self._finish(position)
        except BaseException as fault:
            if self._begun and not self._told:
                self._end(position, _how(fault))
            raise
        finally:
            self._hold.abandon(self._ledger.tags())

    def _mirror(self, position: Position) -> None:
        assert position.old is not None
        if self._plan.mirror:
            split = self._hold.write({position.old: 100}, self._ledger.tags(), mirror={position.new: self._plan.mirror})
            self._observer.step(position, split)
            self._judge(position)

    def _step(self, position: Position, step: int) -> None:
        assert position.old is not None
        split = {position.new: step, position.old: 100 - step}
        deployed = self._retrying(lambda: deployments.check_ready(self._client, self._plan.endpoint, split))
        if identity(deployed[position.new], position.new) != position.identity:
            raise Refused(f"{position.new} was deployed anew since this run looked: run inv rollout again")
        self._ledger = self._ledger.at_step(step, [each for each in self._plan.steps if each > step])
        self._observer.step(position, self._hold.write(split, self._ledger.tags()))
        self._judge(position)

    def _judge(self, position: Position) -> None:
        """Gather evidence until it says good for long enough; raise when it says bad, or the step is out of time."""
        # The time that the lease, the endpoint test and the write of the split took is none in which it was watched.
        self._ledger = replace(self._ledger, taken_up=wait.clock())
        while True:
            self._gather(position)
            self._ledger = self._ledger.with_trail_point()
            ledger, verdict = self._ledger, self._ledger.evidence.verdict()
            self._observer.seen(position, ledger, verdict)
            match decide(verdict, ledger.seconds_at_step(), ledger.requests_at_step(), self._plan):
                case "next":
                    return
                case "bad":
                    self._fail(position, explain(position, verdict), self._plan.on_fail, "")
                case "late":
                    late = (
                        f"not yet known after {wait.duration(ledger.seconds_at_step())}: {explain(position, verdict)}"
                    )
                    self._fail(position, late, self._plan.on_deadline, " (no verdict in time)")
                case "wait":
                    # On Azure it may have to wait for another write, some 20 s, in which nobody asks.
                    began = wait.clock()
                    self._hold.checkpoint(ledger.tags(), every_seconds=self._plan.checkpoint_seconds)
                    self._ledger = ledger.unwatched(wait.clock() - began)

    def _gather(self, position: Position) -> None:
        """Add the evidence of about a second, and none once it is bad: also when an earlier run found it so."""
        if self._ledger.evidence.verdict().answer == "bad":
            return
        for block in self._collect(position, self._ledger, min(1.0, self._plan.checkpoint_seconds)):
            if block:
                self._ledger = replace(self._ledger, evidence=self._ledger.evidence.after(block))
                if self._ledger.evidence.verdict().answer == "bad":
                    return

    def _fail(self, position: Position, why: str, action: str, how: str) -> NoReturn:
        if action == "pause":
            self._ledger = replace(self._ledger, status=PAUSED)
            self._hold.release(self._ledger.tags())
            self._end(position, f"paused at {self._ledger.step} %: {why}")
            on = "inv rollout gives it more time" if how else "inv rollout --force judges it anew"
            raise Paused(f"{position.new} stays at {self._ledger.step} %: {why}. {on}, inv rollback ends it")
        # Until it is done this run is one that was broken off: the next takes the same evidence up, and rolls back.
        rolled_back = replace(self._ledger, status=ROLLED_BACK)
        self._hold.roll_back(self._as_deployed(position), why, rolled_back.tags())
        self._ledger = rolled_back
        self._end(position, f"rolled back at {self._ledger.step} %: {why}")
        raise RolledBack(
            f"{position.new} was rolled back at {self._ledger.step} %{how}: {why}. {position.old} has all the traffic. "
            f"inv logs --slot {position.new} shows what it said; inv deploy puts a mended version there"
        )

    def _as_deployed(self, position: Position) -> Position:
        """Return the position with the new deployment's present identity: one deployed anew meanwhile is marked too.

        Where that cannot be read it stays as it was: a rollback waits for nothing.
        """
        from azure.core.exceptions import AzureError

        try:
            deployed = deployments.listed(self._client, self._plan.endpoint)
        except AzureError:
            return position
        slot = position.new
        return replace(position, identity=identity(deployed[slot], slot)) if slot in deployed else position

    def _finish(self, position: Position) -> Position:
        if self._plan.stop_after < 100:
            self._hold.release(self._ledger.tags())
            self._end(position, f"stopped after {self._plan.stop_after} %, as asked")
            return replace(position, share=self._plan.stop_after)
        self._ledger = replace(self._ledger, status=DONE)
        self._hold.release(self._ledger.tags())
        self._end(position, f"complete: {position.new} has all the traffic")
        return replace(position, share=100)

    def _end(self, position: Position, outcome: str) -> None:
        self._told = True
        self._observer.end(position, self._ledger, outcome)

    def _retrying(self, call: Callable[[], T]) -> T:
        deadline = self._plan.deadline_seconds
        return wait.retrying(call, what=f"endpoint {self._plan.endpoint}", deadline_seconds=deadline)


def left_to_do(position: Position, tags: Mapping[str, str], plan: Plan) -> list[int]:
    """Return the steps that are left; none without an old deployment, and none after the end."""
    if position.old is None or (position.share == 100 and ended(tags, position.identity)):
        return []
    return steps_left(position.share, plan.steps, plan.stop_after)


def observe(client: MLClient, name: str) -> tuple[OnlineEndpoint, Position]:
    """Return the endpoint, and where its rollout stands; Refused for a new deployment that is not up, or not yet."""
    endpoint = endpoints.get(client, name)
    deployed = deployments.listed(client, name)
    position = Position.of(deployed, traffic.split_of(endpoint))
    state = provisioning.state(deployed[position.new])
    if position.share == 0 and state == provisioning.FAILED:
        raise Refused(
            f"{position.new} did not come up: inv logs --slot {position.new} says why; mend it, then inv deploy"
        )
    if position.share == 0 and state in provisioning.CHANGING:
        raise Refused(f"{position.new} is {state}: somebody is at it; when that has ended, run this again")
    return endpoint, position


def explain(position: Position, verdict: Verdict) -> str:
    """Say the findings that decided (all, when none did), with the deployments' own names."""
    decided = [found for found in verdict.findings if found.answer == verdict.answer] or list(verdict.findings)
    parts = (f"{each.metric}: {position.new} {each.new}, {position.old} {each.old}" for each in decided)
    return "; ".join(parts)


def _how(fault: BaseException) -> str:
    """Say how a run ended that ended neither by its evidence nor well."""
    if isinstance(fault, KeyboardInterrupt):
        return "interrupted: inv rollout goes on"
    return f"{'paused' if isinstance(fault, Paused) else 'ended'}: {first_line(fault)}"


def _refuse_a_second_try(endpoint: OnlineEndpoint, position: Position) -> None:
    if was_rolled_back(endpoint, position.identity):
        reason = lineage.tags_of(endpoint)[lineage.ROLLED_BACK]
        raise Refused(
            f"this deployment was rolled back: {reason}. Mend it and run inv deploy, or override with --force"
        )
