"""Counts and percentiles of scoring."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.routing.telemetry import HISTORY_MINUTES, RELATIVE_ERROR, Latencies, Telemetry

latencies = st.lists(st.floats(min_value=1e-3, max_value=2e5), min_size=1, max_size=300)


def sketch(values: list[float]) -> Latencies:
    """Count all values."""
    made = Latencies()
    for value in values:
        made.add(value)
    return made


class Clock:
    """A clock that stands where it is put, in epoch seconds."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@given(values=latencies, percent=st.sampled_from([50, 90, 95, 99, 100]))
def test_percentiles_are_within_the_relative_error(values: list[float], percent: int) -> None:
    """Every percentile is within 1 % of the nearest-rank one, whatever the values."""
    exact = sorted(values)[max(1, math.ceil(percent / 100 * len(values))) - 1]
    assert sketch(values).percentile(percent) == pytest.approx(exact, rel=RELATIVE_ERROR * 1.0001)


@given(one=latencies, other=latencies)
def test_merging_loses_nothing(one: list[float], other: list[float]) -> None:
    """Two sketches merged are the sketch of all values."""
    merged = sketch(one)
    merged.merge(sketch(other))
    whole = sketch(one + other)
    assert merged.buckets == whole.buckets
    assert merged.count == whole.count
    assert merged.total == pytest.approx(whole.total)
    assert (merged.smallest, merged.largest) == (whole.smallest, whole.largest)


@given(values=st.lists(st.floats(allow_nan=False), min_size=1, max_size=50))
def test_no_value_breaks_the_sketch_or_grows_it_without_bound(values: list[float]) -> None:
    """Zero, negative and infinite latencies are held at the ends."""
    made = sketch(values)
    assert made.count == len(values)
    assert all(-347 <= index <= 692 for index in made.buckets)


def test_an_empty_sketch_has_no_percentiles() -> None:
    """Without a value there is no percentile, no minimum, no maximum."""
    assert Latencies().to_dict() == {
        "count": 0,
        "sum": 0.0,
        "min": None,
        "max": None,
        "p50": None,
        "p90": None,
        "p95": None,
        "p99": None,
    }


def test_requests_count_by_deployment_minute_and_status() -> None:
    """Each minute has a cell for each deployment, each cell a count for each pair of statuses."""
    clock = Clock(600.0)
    telemetry = Telemetry(clock)
    telemetry.record("e", "blue", 200, 200, 0.010)
    telemetry.record("e", "blue", 424, 500, 0.020)
    telemetry.record("e", "blue", 424, 500, 0.020)
    telemetry.record("e", "green", 429, None, 0.001)
    clock.now = 660.0
    telemetry.record("e", "blue", 200, 200, 0.010)
    assert [(minute, deployment, cell.requests) for minute, (_, deployment), cell in telemetry.cells("e")] == [
        (600, "blue", {(200, 200): 1, (424, 500): 2}),
        (600, "green", {(429, None): 1}),
        (660, "blue", {(200, 200): 1}),
    ]
    assert list(telemetry.cells("other")) == []


def test_a_span_is_half_open() -> None:
    """Minutes count from `since` to before `until`."""
    clock = Clock(0.0)
    telemetry = Telemetry(clock)
    for minute in range(5):
        clock.now = minute * 60.0
        telemetry.record("e", "blue", 200, 200, 0.001 * (minute + 1))
    assert [minute for minute, _, _ in telemetry.cells("e", 60, 180)] == [60, 120]


def test_totals_are_of_all_minutes() -> None:
    """What is held of a deployment comes together, in the words of Azure Monitor."""
    clock = Clock(0.0)
    telemetry = Telemetry(clock)
    telemetry.record("e", "blue", 200, 200, 0.001)
    clock.now = 60.0
    telemetry.record("e", "blue", 200, 200, 0.003)
    telemetry.record("e", "blue", 424, 500, 0.005)
    telemetry.record("other", "blue", 200, 200, 0.001)
    assert list(telemetry.totals("e")) == ["blue"]
    blue = telemetry.totals("e")["blue"]
    assert [tuple(count.values()) for count in blue["requests"]] == [(200, 200, 2), (424, 500, 1)]
    assert (blue["latencyMs"]["count"], blue["latencyMs"]["max"]) == (3, 5.0)


@pytest.mark.parametrize("step", [60, -60])
def test_history_is_bounded(step: int) -> None:
    """No more than a day is held, whether the clock runs forward or is set back again and again."""
    clock = Clock(1e9)
    telemetry = Telemetry(clock)
    for _ in range(HISTORY_MINUTES + 30):
        telemetry.record("e", "blue", 200, 200, 0.001)
        clock.now += step
    minutes = [minute for minute, _, _ in telemetry.cells()]
    assert len(minutes) <= HISTORY_MINUTES
    assert int((clock.now - step) // 60) * 60 in minutes
