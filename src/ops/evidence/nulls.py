"""What a test tries to refute: a half-plane of pairs (rate of blue, rate of green); and its point nearest to a bet.

Both nulls are bounded by the straight line green = offset + times * blue. `Harm` is what lies below it, the line
included: green is at most tolerably worse; to refute it is to roll back. `Safety` is what lies above it: green is worse
by a margin or more; to refute it is to go on.

A tolerance is an addition first (0.001 is a tenth of a percentage point) and a factor second. Errors are rare: at 0.1 %
a factor of 1.2 would make 0.12 % harm, which no user feels and no test could tell in a day of traffic, while at a blue
that never fails any factor forbids green a single error. What an error costs is counted in requests, so its tolerance
is a number of requests in a thousand. Slow answers and disagreements are common (1 to 20 %) and differ between two
healthy machines by a fraction of themselves: there `times=1.25` says it. Every half-plane is convex, which is all that
validity asks for (see wealth.py), so both can be had at once.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Harm:
    """Null: the rate of green is at most tolerance + times * the rate of blue. 0 <= tolerance < 1, times >= 1."""

    tolerance: float = 0.001
    times: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.tolerance < 1 or not 1 <= self.times < float("inf"):
            raise ValueError(f"tolerance {self.tolerance}, times {self.times}: give 0 <= tolerance < 1 and times >= 1")

    @property
    def offset(self) -> float:
        """Where the boundary meets a blue that never fails."""
        return self.tolerance


@dataclass(frozen=True, slots=True)
class Safety:
    """Null: the rate of green is at least margin + times * the rate of blue. 0 < margin < 1, times >= 1."""

    margin: float = 0.01
    times: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.margin < 1 or not 1 <= self.times < float("inf"):
            raise ValueError(f"margin {self.margin}, times {self.times}: give 0 < margin < 1 and times >= 1")

    @property
    def offset(self) -> float:
        """Where the boundary meets a blue that never fails."""
        return self.margin


Null = Harm | Safety


def boundary(null: Null, blue: float) -> float:
    """Return the rate of green on the boundary beside this rate of blue; may be over 1."""
    return null.offset + null.times * blue


def nearest(null: Null, blue: float, green: float, n_blue: int, n_green: int) -> tuple[float, float] | None:
    """Return the null's point (s_blue, s_green) with the least n_blue KL(blue, s_blue) + n_green KL(green, s_green).

    None when (blue, green) lies in the null itself, or the null is empty. Rates strictly between 0 and 1, counts
    at least 1. The point is on the boundary, where the sum is convex: its derivative is followed to its only zero by
    Newton's steps, kept inside a bracket that halves whenever a step would leave it.
    """
    offset, times = null.offset, null.times
    above = green > offset + times * blue
    if above != isinstance(null, Harm):
        return None
    if offset == 0 and times == 1:
        pooled = (n_blue * blue + n_green * green) / (n_blue + n_green)
        return pooled, pooled
    meets = (green - offset) / times  # where the boundary has green's rate
    low, high = (blue, min(meets, 1.0)) if above else (max(meets, 0.0), min(blue, (1 - offset) / times))
    if not low < high:
        return None
    weight_green = n_green * times
    s = (n_blue * blue + n_green * meets) / (n_blue + n_green)  # where it would be if both arms varied alike
    s = s if low < s < high else (low + high) / 2
    for _ in range(200):
        g = offset + times * s
        vb, vg = s * (1 - s), g * (1 - g)
        slope = n_blue * (s - blue) / vb + weight_green * (g - green) / vg
        if slope < 0:
            low = s
        else:
            high = s
        curve_blue = (blue + s * s - 2 * blue * s) / (vb * vb)
        curve_green = (green + g * g - 2 * green * g) / (vg * vg)
        step = s - slope / (n_blue * curve_blue + weight_green * times * curve_green)
        step = step if low < step < high else (low + high) / 2
        if abs(step - s) <= 1e-14 * s or not low < step < high:
            break
        s = step
    return s, offset + times * s
