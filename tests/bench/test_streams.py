"""The bench measures the engine itself, and its rivals do what their makers say."""

from __future__ import annotations

import math

import numpy as np
import pytest
from bench.evidence.rival_judges import flagger, is_high, kayenta, root
from bench.evidence.streams import OLD_PER_NEW, Ours, follow

from ops.evidence.counts import Counts
from ops.evidence.nulls import Harm
from ops.evidence.wealth import OldRate, Wealth


@pytest.mark.parametrize("harm", [Harm(0.0), Harm(0.001)])
def test_the_bench_runs_the_same_bets(harm: Harm) -> None:
    """Many rollouts in arrays and one rollout in logarithms come to the same wealth."""
    chance = np.random.default_rng(3)
    many = Ours(harm, np.array([4]), 2000)
    one, known = Wealth.start(harm), OldRate().after(Counts(2000, 4))
    for _ in range(300):
        old_bad, new_bad = chance.binomial(OLD_PER_NEW, 0.02, 1), chance.binomial(1, 0.04, 1)
        total = many.step(old_bad, new_bad)[0]
        old = Counts(OLD_PER_NEW, int(old_bad[0]))
        one, known = one.after(old, Counts(1, int(new_bad[0])), known), known.after(old)
        assert math.log(total) == pytest.approx(one.log_e, abs=1e-6)


def test_a_bad_one_ends_and_an_equal_one_goes_on() -> None:
    """row_22: half of the requests failing ends all of 300 rollouts; failing like the old one ends one in a hundred."""
    bad = follow(Ours(Harm(0.0), np.zeros(300, int), 0), (0.01, 0.5), 300, 5_000, 1)
    equal = follow(Ours(Harm(0.0), np.zeros(300, int), 0), (0.01, 0.01), 300, 2_000, 1)
    assert bad.ended.all()
    assert bad.at.mean() < 8
    assert equal.ended.mean() <= 0.01 + 3 * math.sqrt(0.01 / 300)


def test_flagger_rolls_back_after_the_fifth_failed_minute() -> None:
    """Failed minutes add up with good ones between them, and the traffic moves a tick later."""
    assert flagger(np.array([0.02] * 8)) == (6, True)
    assert flagger(np.array([0.02, 0.0] * 6)) == (10, True)
    assert flagger(np.array([0.01] * 60)) == (None, False)


def test_kayenta_reproduces_its_own_example() -> None:
    """MannWhitneySuite of Kayenta: 10, 20, 30, 40 against 1 to 4: 95 % interval 6 to 39, estimate 22.5."""
    x, y = np.array([10.0, 20, 30, 40]), np.array([1.0, 2, 3, 4])
    assert root(x, y, 1.959964, 6.0, 39.0) == pytest.approx(6, abs=1e-3)
    assert root(x, y, -1.959964, 6.0, 39.0) == pytest.approx(39, abs=1e-3)
    assert root(x, y, 0.0, 6.0, 39.0) == pytest.approx(22.5, abs=1e-3)


def test_kayenta_sees_a_clear_rise_at_its_first_look_only() -> None:
    """Ten minutes at ten times the errors are High; identical minutes are not."""
    old = np.linspace(0.001, 0.002, 60)
    assert kayenta(old, old * 10) == 10
    assert not is_high(old, old)
