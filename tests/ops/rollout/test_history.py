"""What the old deployment did before: which minutes are asked for, and that it can never make a verdict wrong."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import pytest

from ops.evidence import Counts, Evidence
from ops.rollout import history
from ops.rollout.ledger import Ledger
from ops.rollout.live import MINUTE, ByStatus
from ops.rollout.plan import policy
from ops.rollout.probes import ERROR
from ops.settings import Rollout

NOW = 1_700_000_040.0  # a whole minute
POLICY = policy(Rollout())


def asked(found: ByStatus, *, minutes: int = 60, deployed: str = "") -> tuple[Counts, list[tuple[float, float]]]:
    """Return what is found at NOW + 30 s with a lag of three minutes, and the spans that were asked for, before NOW."""
    spans = []

    def query(start: float, end: float) -> ByStatus:
        spans.append((start - NOW, end - NOW))
        return found

    past = history.of(query, "blue", moment=NOW + 30, minutes=minutes, lag_seconds=180, deployed=deployed)
    return past, spans


def test_it_is_the_last_hour_without_the_minutes_that_may_still_change() -> None:
    """60 whole minutes, the last one older than the lag, in one question; green's requests and load are not in it."""
    past, spans = asked({("blue", 200): 995, ("blue", 500): 5, ("blue", 429): 70, ("green", 500): 9})
    assert past == Counts(1000, 5)
    assert spans == [(-63 * MINUTE, -3 * MINUTE)]


def test_it_does_not_reach_back_beyond_the_deployment() -> None:
    """What another deployment of that name did says nothing about this one."""
    begun = datetime.fromtimestamp(NOW - 10.5 * MINUTE, UTC).isoformat()
    assert asked({}, deployed=begun)[1] == [(-10 * MINUTE, -3 * MINUTE)]
    assert asked({("blue", 200): 5}, deployed=datetime.fromtimestamp(NOW, UTC).isoformat()) == (Counts(), [])


@pytest.mark.parametrize("deployed", ["", "last Tuesday"])
def test_a_deployment_of_unknown_age_has_all_of_it(deployed: str) -> None:
    """The tag may be missing, or a person's."""
    assert asked({}, deployed=deployed)[1] == [(-63 * MINUTE, -3 * MINUTE)]


def test_none_is_asked_for_when_none_is_wanted() -> None:
    """history_minutes: 0."""
    assert asked({("blue", 200): 5}, minutes=0) == (Counts(), [])


def test_a_long_past_weighs_no_more_than_ten_thousand_requests() -> None:
    """The rate stays, so that one that has changed since is learned again soon."""
    assert asked({("blue", 200): 990_000, ("blue", 500): 10_000})[0] == Counts(10_000, 100)


def test_it_is_no_evidence() -> None:
    """A ledger that begins with it has judged nothing, whatever the past was: it is new, and knows what to expect."""
    kept = Ledger.start("green of today", POLICY, {ERROR: Counts(10_000, 10_000)})
    assert kept.is_new
    assert kept.evidence.verdict() == Ledger.start("green of today", POLICY).evidence.verdict()
    assert kept.evidence.tracks[0].known.n == pytest.approx(10_100)
    assert not kept.at_step(10).is_new


@pytest.mark.parametrize("past", [Counts(), Counts(10_000, 0), Counts(10_000, 5), Counts(10_000, 9000)])
def test_no_past_cries_wolf_however_wrong_and_whatever_the_old_one_does_since(past: Counts) -> None:
    """row_22: an equal one beside an old one that drifts from never failing to 10 % and has an outage: at most alpha.

    Alpha is 20 % here, so that it shows in 200 rollouts; the limit is three standard deviations above it.
    """
    chance = random.Random(7)
    loose = policy(Rollout(alpha=0.2))
    wrong = 0
    for _ in range(200):
        evidence = Evidence.start(loose, {ERROR: past})
        for number in range(60):
            rate = 0.9 if number == 30 else number / 600
            old, new = (sum(chance.random() < rate for _ in range(n)) for n in (18, 2))
            evidence = evidence.after({ERROR: (Counts(18, old), Counts(2, new))})
        wrong += evidence.verdict().answer == "bad"
    assert wrong <= 200 * 0.2 + 3 * (200 * 0.2 * 0.8) ** 0.5
