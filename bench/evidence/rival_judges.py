"""What others would have done with the same minutes of traffic: Flagger's rule and Kayenta's judge.

Flagger (pkg/controller/scheduler.go and scheduler_metrics.go; docs.flagger.app, "Metrics Analysis"): each minute the
success rate of the new deployment over the last minute is compared with a minimum of 99 %; a minute below it is a
failed check, and holds the split where it is; failed checks add up over the whole analysis, good ones between them do
not count; the tick after the fifth one rolls back. The old deployment is not looked at.

Kayenta (NetflixACAJudge.scala, MannWhitneyClassifier.scala, MannWhitney.scala, IQRDetector.scala): the error rates of
the minutes so far, the old one's and the new one's, after far outliers are taken out, are compared by a Mann-Whitney
test; "High" when the lower end of the 98 % interval of the shift is over 0.25 times the estimated shift. Here one High
rolls back.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
MINIMUM, STRIKES = 0.99, 5
LOOK_MINUTES, TOLERANCE, QUANTILE = 10, 0.25, 2.3263478740408408  # 99 % of a normal distribution: 98 %, both sides


def flagger(new: Floats) -> tuple[int | None, bool]:
    """Return the minute in which the new one, by each minute's error rate, is rolled back, and whether it was held.

    The minute is counted from 1, and is the one at whose end the traffic moves.
    """
    failed = np.flatnonzero(1 - new < MINIMUM)
    minute = int(failed[STRIKES - 1]) + 2 if len(failed) >= STRIKES else None
    return (minute if minute is None or minute <= len(new) else None), bool(len(failed))


def kayenta(old: Floats, new: Floats) -> int | None:
    """Return the minute, a multiple of ten, whose look finds the new one's error rates high; None when none does."""
    for minute in range(LOOK_MINUTES, len(new) + 1, LOOK_MINUTES):
        if is_high(old[:minute], new[:minute]):
            return minute
    return None


def is_high(control: Floats, experiment: Floats) -> bool:
    """Return Kayenta's classification of one metric, direction "increase"."""
    x, y = _without_outliers(experiment), _without_outliers(control)
    if (
        not len(x)
        or not len(y)
        or np.array_equal(np.sort(x), np.sort(y))
        or len(np.unique(np.concatenate([x, y]))) == 1
    ):
        return False
    low, high = float(x.min() - y.max()), float(x.max() - y.min())
    try:
        return root(x, y, QUANTILE, low, high) > TOLERANCE * abs(root(x, y, 0.0, low, high))
    except ZeroDivisionError:
        return False  # all observations tied at some shift: Kayenta's classification fails, and stops nothing


def _without_outliers(values: Floats) -> Floats:
    quarter, three = np.percentile(values, [25, 75], method="weibull")
    reach = 3.0 * (three - quarter)
    low, high = np.percentile(values, [1, 99], method="weibull")  # "reduced sensitivity": these always stay
    kept: Floats = values[(values >= min(quarter - reach, low)) & (values <= max(three + reach, high))]
    return kept


def _statistic(x: Floats, y: Floats, shift: float) -> float:
    moved = x - shift
    m, n = len(x), len(y)
    above = (moved[:, None] > y).sum() + 0.5 * (moved[:, None] == y).sum()
    distance = float(above) - m * n / 2
    _, tied = np.unique(np.concatenate([moved, y]), return_counts=True)
    ties = float((tied**3 - tied).sum()) / ((m + n) * (m + n - 1))
    deviation = math.sqrt(max(m * n / 12 * (m + n + 1 - ties), 0.0))
    return (distance - math.copysign(0.5, distance) * (distance != 0)) / deviation


def root(x: Floats, y: Floats, quantile: float, low: float, high: float) -> float:
    """Return the shift at which the statistic crosses the quantile; it falls as the shift grows."""
    if _statistic(x, y, low) <= quantile:
        return low
    if _statistic(x, y, high) >= quantile:
        return high
    while high - low > 1e-6:
        middle = (low + high) / 2
        there = _statistic(x, y, middle)
        if there == quantile:
            return middle
        low, high = (middle, high) if there > quantile else (low, middle)
    return (low + high) / 2
