"""Champion and challenger on the same rows: a paired comparison of their forecasts, row by row. Pure.

Both models forecast every row of the holdout, so what makes a row hard is hard for both, and only the difference of
their losses counts: its mean, with a confidence interval from its spread (normal approximation, fine from some hundred
rows on). The rows are taken as independent; where neighbours share their luck, as flights of one stormy hour do, the
true interval is wider, so a tolerance stands beside it: to be refused, a challenger must be worse by more than that.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import NormalDist, fmean, stdev
from typing import Literal

Metric = Literal["log_loss", "brier"]
CONFIDENCE = 0.95
_FEWEST_ROWS = 30
_SMALLEST = 1e-15  # the probability below which a loss would be infinite


@dataclass(frozen=True)
class Forecast:
    """A model's probabilities of the positive class, and the outcomes (0 or 1), row by row."""

    outcomes: tuple[int, ...]
    probabilities: tuple[float, ...]

    @staticmethod
    def read(lines: Iterable[str]) -> Forecast:
        """Return the forecast in the lines of holdout.csv: a header, then outcome,probability; ValueError otherwise."""
        header, *rows = [line.strip() for line in lines if line.strip()]
        if header != "outcome,probability":
            raise ValueError(f"not a forecast: it begins with {header!r}")
        pairs = [row.split(",") for row in rows]
        made = Forecast(tuple(int(outcome) for outcome, _ in pairs), tuple(float(chance) for _, chance in pairs))
        odd = next((chance for chance in made.probabilities if not 0 <= chance <= 1), None)
        if odd is not None:
            raise ValueError(f"not a forecast: {odd} is no probability")
        return made

    def losses(self, metric: Metric) -> list[float]:
        """Return the loss of each row: smaller is better."""
        pairs = zip(self.outcomes, self.probabilities, strict=True)
        if metric == "brier":
            return [(chance - outcome) ** 2 for outcome, chance in pairs]
        return [-math.log(max(chance if outcome else 1 - chance, _SMALLEST)) for outcome, chance in pairs]


@dataclass(frozen=True)
class Comparison:
    """Mean losses of both, and the interval of the challenger's loss less the champion's."""

    metric: Metric
    rows: int
    challenger: float
    champion: float
    low: float
    high: float

    def is_worse(self, tolerance: float) -> bool:
        """Return whether the challenger is worse by more than `tolerance`, beyond what chance explains."""
        return self.low > tolerance

    def __str__(self) -> str:
        """Say both losses, and their difference with its interval."""
        return (
            f"{self.metric} on the same {self.rows:,} rows: challenger {self.challenger:.4f}, champion "
            f"{self.champion:.4f}; the difference is {self.challenger - self.champion:+.4f}, "
            f"{100 * CONFIDENCE:.0f} % between {self.low:+.4f} and {self.high:+.4f}"
        )


def compare(challenger: Forecast, champion: Forecast, metric: Metric) -> Comparison | None:
    """Return how they compare; None when they did not forecast the same rows, or too few."""
    if challenger.outcomes != champion.outcomes or len(challenger.outcomes) < _FEWEST_ROWS:
        return None
    new, old = challenger.losses(metric), champion.losses(metric)
    differences = [one - other for one, other in zip(new, old, strict=True)]
    reach = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2) * stdev(differences) / math.sqrt(len(differences))
    middle = fmean(differences)
    return Comparison(metric, len(differences), fmean(new), fmean(old), middle - reach, middle + reach)
