"""The measures, against their definitions."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluate import calibration, measure

forecasts = st.lists(st.tuples(st.integers(0, 1), st.floats(0, 1)), min_size=2, max_size=60)


def test_a_perfect_forecast_measures_perfect() -> None:
    """AUC and average precision 1, losses 0."""
    target = np.array([0, 0, 1, 1])
    measured = measure(target, target.astype(float))
    assert measured["auc"] == measured["average_precision"] == 1
    assert measured["brier"] == measured["calibration_error"] == 0
    assert measured["log_loss"] == pytest.approx(0, abs=1e-9)


def test_the_share_as_forecast_has_its_known_losses() -> None:
    """Always saying 0.25 of one in four: Brier 0.1875, log loss the entropy, AUC one half."""
    measured = measure(np.array([1, 0, 0, 0]), np.full(4, 0.25))
    assert measured["brier"] == pytest.approx(0.1875)
    assert measured["log_loss"] == pytest.approx(-(0.25 * math.log(0.25) + 0.75 * math.log(0.75)))
    assert measured["auc"] == pytest.approx(0.5)
    assert measured["positive_share"] == 0.25


def test_ranks_have_their_known_measures() -> None:
    """Two positives at the first and the third place of four: AUC 3/4, average precision (1 + 2/3) / 2."""
    measured = measure(np.array([1, 0, 1, 0]), np.array([0.9, 0.8, 0.7, 0.1]))
    assert measured["auc"] == pytest.approx(3 / 4)
    assert measured["average_precision"] == pytest.approx(5 / 6)


def test_the_error_of_calibration_weighs_each_group_by_its_rows() -> None:
    """Eleven rows make ten groups, the first of two: off by 0.2 on two rows of eleven, and right on the others."""
    measured = measure(np.array([0, 0] + [1] * 9), np.array([0.2, 0.2] + [1.0] * 9))
    assert [rows for _, _, rows in measured["calibration"]] == [2] + [1] * 9
    assert measured["calibration_error"] == pytest.approx(2 * 0.2 / 11)


@given(forecasts)
def test_calibration_groups_hold_every_row_once_in_order(rows: list[tuple[int, float]]) -> None:
    """Ten groups or fewer, forecasts rising, sizes equal to within one, shares within 0 and 1."""
    target, probability = (np.array(column) for column in zip(*rows, strict=True))
    groups = calibration(target, probability.astype(float))
    sizes = [size for _, _, size in groups]
    assert sum(sizes) == len(rows)
    assert max(sizes) - min(sizes) <= 1
    assert sum(share * size for _, share, size in groups) == pytest.approx(target.sum())
    assert all(a[0] <= b[0] + 1e-12 for a, b in itertools.pairwise(groups))


@given(forecasts)
def test_the_error_of_calibration_lies_between_0_and_1(rows: list[tuple[int, float]]) -> None:
    """Whatever the forecasts, and every measure is a finite number."""
    target, probability = (np.array(column) for column in zip(*[*rows, (0, 0.5), (1, 0.5)], strict=True))
    measured = measure(target, probability.astype(float))
    assert 0 <= measured["calibration_error"] <= 1
    assert all(math.isfinite(value) for value in measured.values() if isinstance(value, float))
