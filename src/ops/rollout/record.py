"""What is kept of a run for the screen and the report: the evidence over time, and the latencies of the probes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ops import traffic
from ops.evidence import Counts, Evidence, Verdict
from ops.rollout.ledger import Ledger
from ops.rollout.position import Position
from ops.rollout.probes import Pair

_FAULTS = 5  # of the new deployment, kept for the report


class Record:
    """Keeps what the report shows: the evidence over time, and the latencies of both deployments."""

    def __init__(self) -> None:
        """Empty."""
        self.position: Position | None = None  # where the run began; None before
        self.points: list[dict[str, Any]] = []
        self.steps: list[dict[str, Any]] = []
        self.seconds: dict[str, list[float]] = {"old": [], "new": []}
        self.faults: list[str] = []
        self.outcome = ""
        self.seconds_taken = 0.0
        self.report = ""  # its path in the project, once it is written

    @property
    def word(self) -> str:
        """Return the outcome as one word: complete, rolled-back, paused, stopped, interrupted, ended."""
        return "rolled-back" if self.outcome.startswith("rolled back") else self.outcome.partition(" ")[0].rstrip(":")

    def pair(self, pair: Pair) -> None:
        """Keep the latencies of a pair, and the first few faults of the new deployment."""
        for side, answer in (("old", pair.old), ("new", pair.new)):
            if not answer.fault and not answer.busy:
                self.seconds[side].append(answer.seconds)
        if pair.new.fault and len(self.faults) < _FAULTS:
            self.faults.append(pair.new.fault)

    def begin(self, position: Position, ledger: Ledger) -> None:
        """Keep where it began."""
        self.position = position

    def step(self, position: Position, split: traffic.Split) -> None:
        """Keep when the split changed."""
        self.steps.append({"split": str(split), "share": split.share(position.new), "point": len(self.points)})

    def seen(self, position: Position, ledger: Ledger, verdict: Verdict) -> None:
        """Keep the evidence of this moment."""
        found = {
            each.metric: {
                "old": [each.old.bad, each.old.n],
                "new": [each.new.bad, each.new.n],
                "harm": each.harm,
                "harm_threshold": each.harm_threshold,
                "safety": each.safety,
                "safety_threshold": each.safety_threshold,
            }
            for each in verdict.findings
        }
        counted = {name: [new.bad, new.n] for name, (_, new) in shown(ledger.evidence).items()}
        self.points.append(
            {"seconds": round(ledger.seconds(), 1), "step": ledger.step, "metrics": found, "shown": counted}
        )

    def end(self, position: Position, ledger: Ledger, outcome: str) -> None:
        """Keep the outcome."""
        self.outcome = outcome
        self.seconds_taken = ledger.seconds()

    def facts(self) -> dict[str, Any]:
        """Return what --json says of it: the splits in their order, the last evidence, the report; {} if none was."""
        if self.position is None or not self.steps:
            return {}
        return {
            "seconds": round(self.seconds_taken, 1),
            "splits": [step["split"] for step in self.steps],
            "evidence": self.points[-1]["metrics"] if self.points else {},
            "report": self.report,
        }

    def milliseconds(self, side: str) -> dict[str, float | None]:
        """Return median and 99th percentile of the answers of "old" or "new"; None without any."""
        return {"p50": _percentile(self.seconds[side], 0.5), "p99": _percentile(self.seconds[side], 0.99)}


def _percentile(seconds: Sequence[float], share: float) -> float | None:
    ordered = sorted(seconds)
    return round(1000 * ordered[min(int(share * len(ordered)), len(ordered) - 1)], 2) if ordered else None


def shown(evidence: Evidence) -> dict[str, tuple[Counts, Counts]]:
    """Return the counts of the metrics that are shown and not judged: old, new."""
    pairs = zip(evidence.policy.metrics, evidence.tracks, strict=True)
    return {metric.name: (track.old, track.new) for metric, track in pairs if track.new.n and not metric.judged}
