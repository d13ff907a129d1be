"""The way of a rollout: when each step began, and both tests of each metric over time, small enough for tags. Pure.

The ledger remembers where a rollout stands; this remembers how it came there, for whoever draws it. `trail` holds
SECONDS:PERCENT of each step, and :PERCENT of each to come; `trail.METRIC` what harm and safety need and then
SECONDS,HARM,SAFETY of each point, with log E in tenths. Nothing is decided by it. A trail that is full keeps every
second point, and goes on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ops import lineage

if TYPE_CHECKING:
    from ops.evidence import Finding, Verdict

_POINTS = 20
_LOWEST, _HIGHEST = -60, 999  # tenths of log E: what lies beyond is drawn at the edge

Point = tuple[float, int, int | None]  # seconds since the rollout began; harm; safety, None when it is not asked


@dataclass(frozen=True)
class Curve:
    """One metric's two tests: the E that each needs (0: not asked), and the points so far."""

    harm_threshold: int
    safety_threshold: int
    points: tuple[Point, ...] = ()

    def after(self, point: Point) -> Curve:
        """Return the curve with one more point; one that comes soon after another takes its place."""
        points = self.points
        if len(points) > 1 and point[0] - points[-2][0] < (point[0] - points[0][0]) / _POINTS:
            points = points[:-1]
        points = (*points, point)
        while len(points) > _POINTS or len(self._text(points)) > lineage.TAG_CHARACTERS:
            points = (*points[:-1:2], points[-1])
        return replace(self, points=points)

    def __str__(self) -> str:
        """Return it as its tag keeps it."""
        return self._text(self.points)

    def _text(self, points: tuple[Point, ...]) -> str:
        kept = (f"{_short(at)},{harm},{'' if safety is None else safety}" for at, harm, safety in points)
        return " ".join([str(self.harm_threshold), str(self.safety_threshold), *kept])


@dataclass(frozen=True)
class Trail:
    """The steps as (seconds since the rollout began, percent), the percents to come, and a curve a metric."""

    steps: tuple[tuple[float, int], ...] = ()
    curves: Mapping[str, Curve] = field(default_factory=dict)
    ahead: tuple[int, ...] = ()

    def at_step(self, seconds: float, percent: int, ahead: Sequence[int] = ()) -> Trail:
        """Return the trail with a step that begins now, and those that are to come."""
        return replace(self, steps=(*self.steps, (_rounded(seconds), percent)), ahead=tuple(ahead))

    def after(self, seconds: float, verdict: Verdict) -> Trail:
        """Return the trail with what the evidence says now."""
        at = _rounded(seconds)
        return replace(
            self, curves={each.metric: self._curve(each).after(_point(at, each)) for each in verdict.findings}
        )

    def _curve(self, found: Finding) -> Curve:
        safety_threshold = 0 if found.safety is None else round(found.safety_threshold)
        return self.curves.get(found.metric) or Curve(round(found.harm_threshold), safety_threshold)

    def tags(self) -> dict[str, str]:
        """Return the tags that keep it; the first steps go when there are too many."""
        steps = [*(f"{_short(at)}:{percent}" for at, percent in self.steps), *(f":{percent}" for percent in self.ahead)]
        while len(" ".join(steps)) > lineage.TAG_CHARACTERS:
            del steps[0]
        kept = {f"{lineage.TRAIL}.{metric}": str(curve) for metric, curve in self.curves.items()}
        return {lineage.TRAIL: " ".join(steps), **kept}


def read(tags: Mapping[str, str]) -> Trail:
    """Return the trail that the tags keep; an empty one when they keep none that is understood."""
    try:
        marks = _split(tags.get(lineage.TRAIL, ""), ":")
        steps = tuple((float(at), int(percent)) for at, _, percent in marks if at)
        ahead = tuple(int(percent) for at, _, percent in marks if not at)
        prefix = f"{lineage.TRAIL}."
        curves = {name.removeprefix(prefix): _read(text) for name, text in tags.items() if name.startswith(prefix)}
    except ValueError:
        return Trail()
    return Trail(steps, curves, ahead)


def _read(text: str) -> Curve:
    harm_threshold, safety_threshold, *points = text.split()
    parts = (point.split(",") for point in points)
    return Curve(
        int(harm_threshold),
        int(safety_threshold),
        tuple((float(at), int(harm), int(safety) if safety else None) for at, harm, safety in parts),
    )


def _split(text: str, mark: str) -> list[tuple[str, str, str]]:
    return [each.partition(mark) for each in text.split()]


def _point(at: float, found: Finding) -> Point:
    return at, _tenths(found.harm), None if found.safety is None else _tenths(found.safety)


def _tenths(log_e: float) -> int:
    return round(min(max(log_e * 10, _LOWEST), _HIGHEST))


def _rounded(seconds: float) -> float:
    return round(max(seconds, 0.0), 1)


def _short(seconds: float) -> str:
    return f"{seconds:.1f}".removesuffix(".0") if seconds < 1000 else str(round(seconds))
