"""What a test tries to refute: a half-plane of pairs (old rate, new rate); and its point nearest to a bet.

Both nulls are bounded by the straight line new = offset + times * old. `Harm` is what lies below it, the line included:
the new deployment is at most tolerably worse; to refute it is to roll back. `Safety` is what lies above it: the new one
is worse by a margin or more; to refute it is to go on.

A tolerance is an addition first (0.001 is a tenth of a percentage point) and a factor second. Errors are rare: at 0.1 %
a factor of 1.2 would make 0.12 % harm, which no user feels and no test could tell in a day of traffic, while beside an
old one that never fails any factor forbids the new one a single error. What an error costs is counted in requests, so
its tolerance is a number of requests in a thousand. Slow answers and disagreements are common (1 to 20 %) and differ
between two healthy machines by a fraction of themselves: there `times=1.25` says it. Every half-plane is convex, which
is all that validity asks for (see wealth.py), so both can be had at once.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Harm:
    """Null: the new rate is at most tolerance + times * the old rate. 0 <= tolerance < 1, times >= 1."""

    tolerance: float = 0.001
    times: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.tolerance < 1 or not 1 <= self.times < float("inf"):
            raise ValueError(f"tolerance {self.tolerance}, times {self.times}: give 0 <= tolerance < 1 and times >= 1")

    @property
    def offset(self) -> float:
        """The new rate on the boundary beside an old deployment that never fails."""
        return self.tolerance


@dataclass(frozen=True, slots=True)
class Safety:
    """Null: the new rate is at least margin + times * the old rate. 0 < margin < 1, times >= 1."""

    margin: float = 0.01
    times: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.margin < 1 or not 1 <= self.times < float("inf"):
            raise ValueError(f"margin {self.margin}, times {self.times}: give 0 < margin < 1 and times >= 1")

    @property
    def offset(self) -> float:
        """The new rate on the boundary beside an old deployment that never fails."""
        return self.margin


Null = Harm | Safety


def boundary(null: Null, old: float) -> float:
    """Return the new rate on the boundary beside this old rate; may be over 1."""
    return null.offset + null.times * old


def nearest(null: Null, old: float, new: float, n_old: int, n_new: int) -> tuple[float, float] | None:
    """Return the null's point (s_old, s_new) with the least n_old KL(old, s_old) + n_new KL(new, s_new).

    None when (old, new) lies in the null itself, or the null is empty. Rates strictly between 0 and 1, counts
    at least 1. The point is on the boundary, where the sum is convex: its derivative is followed to its only zero by
    Newton's steps, kept inside a bracket that halves whenever a step would leave it.
    """
    offset, times = null.offset, null.times
    above = new > offset + times * old
    if above != isinstance(null, Harm):
        return None
    if offset == 0 and times == 1:
        pooled = (n_old * old + n_new * new) / (n_old + n_new)
        return pooled, pooled
    meets = (new - offset) / times  # where the boundary reaches the new rate
    low, high = (old, min(meets, 1.0)) if above else (max(meets, 0.0), min(old, (1 - offset) / times))
    if not low < high:
        return None
    weight_new = n_new * times
    s_old = (n_old * old + n_new * meets) / (n_old + n_new)  # where it would be if both arms varied alike
    s_old = s_old if low < s_old < high else (low + high) / 2
    for _ in range(200):
        s_new = offset + times * s_old
        v_old, v_new = s_old * (1 - s_old), s_new * (1 - s_new)
        slope = n_old * (s_old - old) / v_old + weight_new * (s_new - new) / v_new
        if slope < 0:
            low = s_old
        else:
            high = s_old
        curve_old = (old + s_old * s_old - 2 * old * s_old) / (v_old * v_old)
        curve_new = (new + s_new * s_new - 2 * new * s_new) / (v_new * v_new)
        step = s_old - slope / (n_old * curve_old + weight_new * times * curve_new)
        step = step if low < step < high else (low + high) / 2
        if abs(step - s_old) <= 1e-14 * s_old or not low < step < high:
            break
        s_old = step
    return s_old, offset + times * s_old
