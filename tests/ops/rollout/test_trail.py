"""How a rollout came where it stands: few enough points for tags, and the ends of each curve always there."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from ops.evidence import Counts
from ops.rollout import trail
from ops.rollout.ledger import Ledger
from ops.rollout.plan import policy
from ops.rollout.probes import ERROR
from ops.rollout.trail import Curve, Trail
from ops.settings import Rollout

GREEN = "green of 2026-11-23T07:32:58.399+00:00"
POLICY = policy(Rollout())
MOST_CHARACTERS = 256

POINTS = st.lists(
    st.tuples(st.floats(0, 5000), st.integers(-60, 999), st.one_of(st.none(), st.integers(-60, 999))),
    min_size=2,
    max_size=200,
)


@settings(deadline=None, max_examples=50)
@given(POINTS)
def test_a_curve_fits_a_tag_and_keeps_its_ends(points: list[tuple[float, int, int | None]]) -> None:
    """However many points come: the first, the last, and some between, in their order."""
    ordered = sorted(((round(at, 1), harm, safety) for at, harm, safety in points), key=lambda point: point[0])
    curve = Curve(125, 20)
    for point in ordered:
        curve = curve.after(point)
    assert len(str(curve)) <= MOST_CHARACTERS
    assert (curve.points[0], curve.points[-1]) == (ordered[0], ordered[-1])
    assert [point[0] for point in curve.points] == sorted(point[0] for point in curve.points)


def test_it_comes_back_from_the_tags_as_it_went() -> None:
    """Steps, those to come, and curves; a metric whose safety is not asked has none."""
    way = Trail(((0.0, 10), (12.5, 25)), {"error": Curve(125, 20, ((0.0, 0, 0), (3.5, -12, 31)))}, (50, 100))
    way = replace(way, curves={**way.curves, "disagree": Curve(500, 0, ((0.0, 0, None),))})
    assert trail.read(way.tags()) == way


def test_tags_that_are_not_understood_draw_nothing() -> None:
    """Nothing is decided by a trail, so a broken one stops nothing."""
    assert trail.read({"trail": "ten", "trail.error": "1 2 x"}) == Trail()


def test_a_ledger_that_is_taken_up_goes_on_with_its_trail() -> None:
    """The steps with their times, and the evidence of each look."""
    kept = Ledger.start(GREEN, POLICY).at_step(10)
    kept = replace(kept, evidence=kept.evidence.after({ERROR: (Counts(200, 0), Counts(200, 40))})).with_trail_point()
    found = Ledger.read(kept.tags(), GREEN, POLICY).at_step(25, [50, 100])
    assert [percent for _, percent in found.trail.steps] == [10, 25]
    assert found.trail.ahead == (50, 100)
    assert found.trail.curves[ERROR].points[-1][1] > 10
    assert found.trail.curves[ERROR].harm_threshold > 100
