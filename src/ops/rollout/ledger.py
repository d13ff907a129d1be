"""What a rollout remembers: the step it is at and the evidence so far, in tags of the endpoint.

A crash, a lost runner or a second machine finds it there. Azure keeps 256 characters a tag; each value fits.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ops import lineage, wait
from ops.rollout import trail
from ops.rollout.trail import Trail

if TYPE_CHECKING:
    from ops.evidence import Counts, Evidence, Policy

RUNNING, DONE, ROLLED_BACK, PAUSED = "running", "done", "rolled back", "paused"


@dataclass(frozen=True)
class Ledger:
    """Which deployment is rolled out, at which step since when, with what evidence, and how it stands."""

    identity: str
    step: int
    begun: str
    seconds_before: float  # at this step, in earlier runs
    status: str
    requests_before: int  # of the new deployment, when the step began
    evidence: Evidence
    trail: Trail = field(default_factory=Trail, compare=False)
    taken_up: float = field(default_factory=wait.clock, compare=False)  # when this run took the step up

    @staticmethod
    def start(identity: str, policy: Policy, history: Mapping[str, Counts] | None = None) -> Ledger:
        """Return the ledger of a rollout that is about to begin; `history`: what the old deployment did, by metric."""
        from ops.evidence import Evidence

        return Ledger(identity, 0, _utc_now(), 0.0, RUNNING, 0, Evidence.start(policy, history))

    @staticmethod
    def read(tags: Mapping[str, str], identity: str, policy: Policy) -> Ledger:
        """Return the ledger that the tags keep for this very deployment; a new one when they keep none, or another's.

        A rollout that has ended is not taken up again: its deployment gets a new ledger. Nor is one whose evidence was
        gathered under another policy, or cannot be read: evidence that is not understood counts for nothing. A step
        that was paused has all its time again.
        """
        from ops.evidence import Evidence

        try:
            kept, under, step, begun, watched, status, before = _fields(tags)
            state = {name: tags[lineage.EVIDENCE + name] for name in policy.names}
            evidence = Evidence.restore(policy, state)
        except (ValueError, KeyError):
            return Ledger.start(identity, policy)
        if kept != identity or status not in (RUNNING, PAUSED) or under != _policy(policy):
            return Ledger.start(identity, policy)
        return Ledger(
            kept, step, begun, 0.0 if status == PAUSED else watched, status, before, evidence, trail.read(tags)
        )

    @property
    def is_new(self) -> bool:
        """Return whether nothing was set or judged yet."""
        return not self.step and not self.requests

    def at_step(self, step: int, ahead: Sequence[int] = ()) -> Ledger:
        """Return the ledger at a step; unchanged when it is there already, so that a resumed step keeps its time.

        `ahead` are the steps after it, for whoever draws the way.
        """
        if step == self.step:
            return replace(self, status=RUNNING)
        way = self.trail.at_step(self.seconds(), step, ahead)
        return Ledger(self.identity, step, self.begun, 0.0, RUNNING, self.requests, self.evidence, way)

    def with_trail_point(self) -> Ledger:
        """Return the ledger with the evidence of this moment on its trail."""
        return replace(self, trail=self.trail.after(self.seconds(), self.evidence.verdict()))

    @property
    def requests(self) -> int:
        """Return how many requests of the new deployment have been judged."""
        return max((track.new.n for track in self.evidence.tracks), default=0)

    def requests_at_step(self) -> int:
        """Return how many of them at the present step."""
        return self.requests - self.requests_before

    def seconds_at_step(self) -> float:
        """Return how long the present step was watched, over all runs: time in which nobody looked does not count."""
        return self.seconds_before + wait.clock() - self.taken_up

    def unwatched(self, seconds: float) -> Ledger:
        """Return the ledger with so many seconds, in which nobody looked, taken off the step."""
        return replace(self, taken_up=self.taken_up + seconds)

    def seconds(self) -> float:
        """Return how long ago the rollout was begun, by whichever run."""
        return (datetime.now(UTC) - datetime.fromisoformat(self.begun)).total_seconds()

    def tags(self) -> dict[str, str]:
        """Return the tags that keep it."""
        watched = round(self.seconds_at_step(), 1)
        fields = [
            self.identity,
            _policy(self.evidence.policy),
            self.step,
            self.begun,
            watched,
            self.status,
            self.requests_before,
        ]
        kept = {f"{lineage.EVIDENCE}{metric}": text for metric, text in self.evidence.state().items()}
        return {lineage.ROLLOUT: json.dumps(fields, separators=(",", ":")), **kept, **self.trail.tags()}


def ended(tags: Mapping[str, str], identity: str) -> bool:
    """Return whether the tags say that the rollout of this very deployment went to its end."""
    try:
        kept, *_, status, _ = _fields(tags)
    except ValueError:
        return False
    return kept == identity and status == DONE


def under_way(tags: Mapping[str, str], identity: str) -> dict[str, Any] | None:
    """Return the rollout of this very deployment as plain data; None when there is none, or when it has ended."""
    try:
        kept, _, step, begun, _, status, _ = _fields(tags)
    except ValueError:
        return None
    if kept != identity or status not in (RUNNING, PAUSED):
        return None
    return {"slot": kept.partition(" of ")[0], "step": step, "status": status, "begun": begun}


def _fields(tags: Mapping[str, str]) -> tuple[str, str, int, str, float, str, int]:
    """Return what the tag holds: identity, policy, step, begin, seconds at the step, status, requests before it.

    ValueError when there is none, or one that was written by nothing that this understands.
    """
    try:
        kept, under, step, begun, watched, status, before = json.loads(tags.get(lineage.ROLLOUT, ""))
        in_utc = datetime.fromisoformat(begun).astimezone(UTC).isoformat(timespec="seconds")
        return str(kept), str(under), int(step), in_utc, max(float(watched), 0.0), str(status), int(before)
    except (ValueError, TypeError, OverflowError) as fault:
        raise ValueError(f"the tag {lineage.ROLLOUT} cannot be read: {fault}") from fault


def _policy(policy: Policy) -> str:
    """Return its fingerprint: of the values alone, so that a field of another name changes nothing."""
    return hashlib.sha256(repr(astuple(policy)).encode()).hexdigest()[:8]


def _utc_now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
