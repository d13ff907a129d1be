"""Measures of a probability forecast, and the curves behind the plots. Pure.

`measure` gives what metrics.json holds for a set of rows:

auc                 chance that a positive row is ranked above a negative one
average_precision   area under the precision-recall steps
log_loss            mean negative log-likelihood, natural logarithm
brier               mean squared difference of probability and outcome
calibration_error   mean absolute difference of forecast and observed share, over ten groups of equal size
calibration         [[mean forecast, observed share, rows], ...], one entry a group
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

GROUPS = 10


def measure(target: NDArray[np.int64], probability: NDArray[np.float64]) -> dict[str, Any]:
    """Measure probabilities of the positive class against a 0/1 target that holds both values."""
    from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score

    groups = calibration(target, probability)
    rows = sum(count for _, _, count in groups)
    return {
        "rows": len(target),
        "positive_share": float(target.mean()),
        "auc": float(roc_auc_score(target, probability)),
        "average_precision": float(average_precision_score(target, probability)),
        "log_loss": float(log_loss(target, probability, labels=[0, 1])),
        "brier": float(brier_score_loss(target, probability)),
        "calibration_error": sum(abs(forecast - seen) * count for forecast, seen, count in groups) / rows,
        "calibration": [list(group) for group in groups],
    }


def calibration(target: NDArray[np.int64], probability: NDArray[np.float64]) -> list[tuple[float, float, int]]:
    """Group the rows by forecast: (mean forecast, observed share, rows), lowest forecast first."""
    order = np.argsort(probability, kind="stable")
    return [
        (float(probability[group].mean()), float(target[group].mean()), len(group))
        for group in np.array_split(order, GROUPS)
        if len(group)
    ]
