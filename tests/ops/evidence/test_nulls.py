"""The nulls: half-planes, and the point of each that is nearest to a bet."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ops.evidence.counts import Counts
from ops.evidence.nulls import Harm, Null, Safety, boundary, nearest

rates = st.floats(1e-6, 1 - 1e-6)
low_rates = st.floats(1e-6, 0.5)
parts = st.floats(1e-6, 1 - 1e-6)
sizes = st.integers(1, 10**6)
nulls = st.one_of(
    st.builds(Harm, st.floats(0, 0.2), st.floats(1, 1.5)),
    st.builds(Safety, st.floats(0.001, 0.2), st.floats(1, 1.5)),
)


def divergence(t: float, s: float) -> float:
    return t * math.log(t / s) + (1 - t) * math.log((1 - t) / (1 - s))


def outside(null: Null, old: float, part: float) -> float:
    """Return a new rate beside `old`, `part` of the way from the boundary out of the null."""
    edge = boundary(null, old)
    return edge + part * (1 - edge) if isinstance(null, Harm) else edge * (1 - part)


@given(nulls, low_rates, parts, sizes, sizes, low_rates)
def test_no_point_of_the_boundary_is_nearer(
    null: Null, old: float, part: float, n_old: int, n_new: int, other: float
) -> None:
    """The point found has the least weighted divergence of all points on the boundary."""
    new = outside(null, old, part)
    point = nearest(null, old, new, n_old, n_new)
    assert point is not None
    found = n_old * divergence(old, point[0]) + n_new * divergence(new, point[1])
    there = n_old * divergence(old, other) + n_new * divergence(new, boundary(null, other))
    assert found <= there * (1 + 1e-6) + 1e-6


@given(nulls, low_rates, parts, sizes, sizes, low_rates, parts)
def test_no_point_of_the_null_expects_a_gain(
    null: Null, old: float, part: float, n_old: int, n_new: int, p_old: float, p_part: float
) -> None:
    """sum n_i (p_i - s_i)(t_i - s_i)/(s_i (1 - s_i)) is at most 0 all over the null: what validity rests on."""
    new = outside(null, old, part)
    point = nearest(null, old, new, n_old, n_new)
    assert point is not None
    edge = boundary(null, p_old)
    p_new = edge * (1 - p_part) if isinstance(null, Harm) else edge + p_part * (1 - edge)
    s_old, s_new = point
    pull_old = n_old * (old - s_old) / (s_old * (1 - s_old))
    pull_new = n_new * (new - s_new) / (s_new * (1 - s_new))
    slack = 1e-9 * (abs(pull_old) + abs(pull_new)) + 1e-9
    assert pull_old * (p_old - s_old) + pull_new * (p_new - s_new) <= slack


@given(rates, rates, sizes, sizes, st.floats(0, 0.3))
def test_arms_and_outcomes_exchanged_is_the_same(
    old: float, new: float, n_old: int, n_new: int, tolerance: float
) -> None:
    """Calling good bad, and old new, mirrors the point and nothing else."""
    there = nearest(Harm(tolerance), old, new, n_old, n_new)
    back = nearest(Harm(tolerance), 1 - new, 1 - old, n_new, n_old)
    assume(abs(new - old - tolerance) > 1e-9)
    assert (there is None) == (back is None)
    if there is not None and back is not None:
        assert there == pytest.approx((1 - back[1], 1 - back[0]), rel=1e-6, abs=1e-12)


@given(rates, rates, sizes, sizes)
def test_a_bet_inside_the_null_has_no_nearest_point(old: float, new: float, n_old: int, n_new: int) -> None:
    """Harm and safety with the same boundary: every pair lies in one of them and outside the other."""
    assume(abs(new - old - 0.05) > 1e-9)
    harm = nearest(Harm(0.05), old, new, n_old, n_new)
    safety = nearest(Safety(0.05), old, new, n_old, n_new)
    assert (harm is None) != (safety is None)


@pytest.mark.parametrize("values", [(-0.1, 1.0), (1.0, 1.0), (0.0, 0.9), (float("nan"), 1.0), (0.0, math.inf)])
def test_tolerances_that_cannot_be_are_refused(values: tuple[float, float]) -> None:
    """A tolerance outside [0, 1), or a factor under 1, is an error at once."""
    with pytest.raises(ValueError, match="give 0"):
        Harm(*values)


def test_a_safety_without_margin_is_refused() -> None:
    """With no margin an equal one could never be shown safe."""
    with pytest.raises(ValueError, match="margin"):
        Safety(0.0)


@pytest.mark.parametrize(("n", "bad"), [(1, 2), (-1, 0), (3, -1)])
def test_counts_that_cannot_be_are_refused(n: int, bad: int) -> None:
    """More bad requests than requests, or fewer than none, is an error at once."""
    with pytest.raises(ValueError, match="requests"):
        Counts(n, bad)
