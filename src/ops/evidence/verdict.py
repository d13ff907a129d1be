"""What the evidence says: good, bad, or not yet known, with the numbers behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ops.evidence.counts import Counts

Answer = Literal["good", "bad", "unknown"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What is known of one metric. `harm`, its highest value `harm_peak`, and `safety` are log E; thresholds are E."""

    metric: str
    answer: Answer
    old: Counts
    new: Counts
    harm: float
    harm_peak: float
    harm_threshold: float
    safety: float | None
    safety_threshold: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """good: every judged metric has shown itself safe. bad: one has shown harm. Else unknown."""

    answer: Answer
    findings: tuple[Finding, ...]
