"""Champion and challenger: paired by row, refused only beyond chance and tolerance."""

from __future__ import annotations

import random
from math import log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.comparison import Forecast, Metric, compare


def forecast(chance: random.Random, rows: int, noise: float) -> Forecast:
    """Make a forecast that is off by `noise`, of outcomes that are the same for the same seed and rows."""
    true = random.Random(7)
    rates = [true.uniform(0.05, 0.6) for _ in range(rows)]
    outcomes = tuple(int(true.random() < rate) for rate in rates)
    seen = (min(max(rate + chance.gauss(0, noise), 0.01), 0.99) for rate in rates)
    return Forecast(outcomes, tuple(seen))


@pytest.mark.parametrize(("metric", "expected"), [("log_loss", [-log(0.8), -log(0.7)]), ("brier", [0.2**2, 0.3**2])])
def test_a_loss_is_that_of_the_outcome_that_came(metric: Metric, expected: list[float]) -> None:
    """Row by row: a positive by its chance, a negative by the chance of the contrary."""
    assert Forecast((1, 0), (0.8, 0.3)).losses(metric) == pytest.approx(expected)


@pytest.mark.parametrize("metric", ["log_loss", "brier"])
@pytest.mark.parametrize(("outcome", "right", "wrong"), [(0, 0.01, 0.99), (1, 0.99, 0.01)])
def test_who_is_sure_and_wrong_loses_more(metric: Metric, outcome: int, right: float, wrong: float) -> None:
    """Than who is sure and right, of a negative as of a positive."""
    lost = Forecast((outcome, outcome), (right, wrong)).losses(metric)
    assert 0 < lost[0] < 0.02 < 0.9 < lost[1]


def test_a_worse_challenger_is_seen() -> None:
    """Twice the noise is worse by more than chance."""
    found = compare(forecast(random.Random(1), 5000, 0.2), forecast(random.Random(2), 5000, 0.05), "log_loss")
    assert found is not None
    assert found.is_worse(0.002)
    assert found.challenger > found.champion


def test_a_better_challenger_is_never_worse() -> None:
    """The interval is below zero."""
    found = compare(forecast(random.Random(1), 5000, 0.05), forecast(random.Random(2), 5000, 0.2), "brier")
    assert found is not None
    assert found.high < 0
    assert not found.is_worse(0.0)


def test_equal_models_are_refused_about_as_often_as_the_interval_says() -> None:
    """At most a few in a hundred, at no tolerance at all."""
    refused = 0
    for seed in range(200):
        pair = (forecast(random.Random(2 * seed + side), 300, 0.1) for side in (0, 1))
        found = compare(*pair, "brier")
        refused += found is not None and found.is_worse(0.0)
    assert refused <= 14  # 2.5 % of 200 is 5; more than 14 has a chance of 1 in 5,000


def test_swapping_the_two_turns_the_sign() -> None:
    """Neither side has an advantage."""
    one, two = forecast(random.Random(1), 500, 0.1), forecast(random.Random(2), 500, 0.1)
    first, second = compare(one, two, "log_loss"), compare(two, one, "log_loss")
    assert first is not None
    assert second is not None
    assert first.low == pytest.approx(-second.high)


@pytest.mark.parametrize("rows", [10, 0])
def test_too_few_rows_say_nothing(rows: int) -> None:
    """An interval from ten rows would be a guess."""
    same = Forecast((0, 1) * (rows // 2), (0.5,) * (rows // 2 * 2))
    assert compare(same, same, "log_loss") is None


def test_other_rows_are_not_compared() -> None:
    """Outcomes that differ mean that it was another holdout."""
    assert compare(Forecast((0, 1) * 50, (0.5,) * 100), Forecast((1, 0) * 50, (0.5,) * 100), "log_loss") is None


@given(st.lists(st.tuples(st.sampled_from([0, 1]), st.floats(0, 1)), min_size=30, max_size=60))
def test_a_loss_is_finite_whatever_was_forecast(rows: list[tuple[int, float]]) -> None:
    """Also for a model that was sure, and wrong."""
    outcomes, chances = zip(*rows, strict=True)
    both = Forecast(outcomes, chances)
    found = compare(both, both, "log_loss")
    assert found is not None
    assert found.challenger < 100
    assert found.low <= 0 <= found.high


@pytest.mark.parametrize("lines", [["a,b"], ["outcome,probability", "1;0.5"], ["outcome,probability", "1,high"], []])
def test_a_file_that_is_no_forecast_is_refused(lines: list[str]) -> None:
    """ValueError, which registration turns into a sentence."""
    with pytest.raises(ValueError, match=r".+"):
        Forecast.read(lines)


@pytest.mark.parametrize("chance", ["nan", "inf", "1.5", "-0.1"])
def test_what_is_no_probability_is_no_forecast(chance: str) -> None:
    """It would end in an error of arithmetic, or in a loss that means nothing."""
    with pytest.raises(ValueError, match="is no probability"):
        Forecast.read(["outcome,probability", "1,0.5", f"0,{chance}"])
