"""What the evidence says: good, bad, or not yet known, with the numbers behind it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from ops.evidence.counts import Counts

Answer = Literal["good", "bad", "unknown"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What is known of one metric. `harm` and `safety` are log E; `harm_peak` is the highest harm ever was."""

    metric: str
    answer: Answer
    blue: Counts
    green: Counts
    harm: float
    harm_peak: float
    harm_needs: float
    safety: float | None
    safety_needs: float

    def __str__(self) -> str:
        text = f"{self.metric}: green {self.green}, blue {self.blue}"
        text += f"; harm {_shown(self.harm_peak)} of {self.harm_needs:.0f}"
        return text + ("" if self.safety is None else f", safety {_shown(self.safety)} of {self.safety_needs:.0f}")


@dataclass(frozen=True, slots=True)
class Verdict:
    """good: every judged metric has shown itself safe. bad: one has shown harm. Else unknown."""

    answer: Answer
    findings: tuple[Finding, ...]

    def __str__(self) -> str:
        """Say the metrics that decided; all when none did."""
        decided = [finding for finding in self.findings if finding.answer == self.answer]
        return f"{self.answer}: " + "; ".join(map(str, decided or self.findings))


def _shown(log_e: float) -> str:
    return f"{math.exp(min(log_e, 700.0)):.2g}" if log_e < 13.8 else f"10^{log_e / math.log(10):.0f}"
