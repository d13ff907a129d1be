"""One test of one null: never a gain on average where it holds, growth where it does not, always a number."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ops.evidence.counts import Counts
from ops.evidence.nulls import Harm, Null, Safety, boundary
from ops.evidence.wealth import HARMFUL, HARMLESS, RESERVE, OldRate, Wealth, level_of, log_sum, rate_of, reserve

nulls = st.one_of(
    st.builds(Harm, st.sampled_from([0.0, 0.001, 0.05]), st.sampled_from([1.0, 1.25])),
    st.builds(Safety, st.sampled_from([0.002, 0.01, 0.1]), st.sampled_from([1.0, 1.25])),
)
counts = st.integers(1, 400).flatmap(lambda n: st.builds(Counts, st.just(n), st.integers(0, n)))
pasts = st.lists(st.tuples(counts, counts), max_size=5)


def played(null: Null, blocks: list[tuple[Counts, Counts]], known: OldRate | None = None) -> tuple[Wealth, OldRate]:
    wealth, known = Wealth.start(null), known or OldRate()
    for old, new in blocks:
        wealth, known = wealth.after(old, new, known), known.after(old)
    return wealth, known


def chance_of(counts: Counts, rate: float) -> float:
    return math.comb(counts.n, counts.bad) * rate**counts.bad * (1 - rate) ** (counts.n - counts.bad)


@settings(deadline=None)
@given(nulls, pasts, st.integers(1, 30), st.integers(1, 12), st.floats(0, 0.6), st.sampled_from([0.0, 0.1, 0.7]))
def test_no_block_gains_on_average_where_the_null_holds(
    null: Null, past: list[tuple[Counts, Counts]], n_old: int, n_new: int, rate: float, inside: float
) -> None:
    """row_22: whatever came before, every outcome weighed by its chance, at the boundary and inside; block of any size.

    With Ville's inequality this is the promise that a tolerable one is rolled back with a chance of alpha at most.
    """
    wealth, known = played(null, past)
    edge = min(boundary(null, rate), 1.0)
    p_new = edge * (1 - inside) if isinstance(null, Harm) else edge + inside * (1 - edge)
    expected = 0.0
    for k in range(n_old + 1):
        for j in range(n_new + 1):
            old, new = Counts(n_old, k), Counts(n_new, j)
            chance = chance_of(old, rate) * chance_of(new, p_new)
            expected += chance * math.exp(wealth.after(old, new, known).log_e - wealth.log_e)
    assert expected <= 1 + 1e-9


@pytest.mark.parametrize("null", [Harm(0.0), Harm(0.001), Harm(0.01, 1.25), Safety(0.01), Safety(0.02, 1.25)])
@pytest.mark.parametrize("rate", [0.002, 0.03, 0.3])
def test_looking_after_each_block_cries_wolf_no_more_than_promised(null: Null, rate: float) -> None:
    """row_22: on the boundary, blocks of odd sizes, stopped at the first chance: 1/E of the rollouts at most."""
    chance = random.Random(f"{null} {rate}")
    runs, alpha, over = 100, 0.1, 0
    edge = boundary(null, rate)
    for _ in range(runs):
        wealth, known = Wealth.start(null), OldRate()
        for _ in range(25):
            n_old, n_new = chance.choice([1, 7, 31, 90]), chance.choice([1, 3, 10])
            old = Counts(n_old, sum(chance.random() < rate for _ in range(n_old)))
            new = Counts(n_new, sum(chance.random() < edge for _ in range(n_new)))
            wealth, known = wealth.after(old, new, known), known.after(old)
        over += wealth.peak >= math.log(1 / alpha)
    assert over / runs <= alpha + 3 * math.sqrt(alpha * (1 - alpha) / runs)


@settings(deadline=None, max_examples=60)
@given(nulls, pasts.filter(len), st.data())
def test_another_bad_request_of_the_new_one_is_never_in_its_favour(
    null: Null, past: list[tuple[Counts, Counts]], data: st.DataObject
) -> None:
    """In whichever block it falls, harm is no lower at the end, and safety no higher."""
    at = data.draw(st.integers(0, len(past) - 1))
    old, new = past[at]
    worse = [*past[:at], (old, Counts(new.n, min(new.bad + 1, new.n))), *past[at + 1 :]]
    before, after = played(null, past)[0].log_e, played(null, worse)[0].log_e
    assert (after >= before - 1e-9) if isinstance(null, Harm) else (after <= before + 1e-9)


@settings(deadline=None, max_examples=60)
@given(nulls, pasts, counts, counts)
def test_another_bad_request_of_the_old_one_never_speaks_against_the_new_one(
    null: Null, past: list[tuple[Counts, Counts]], old: Counts, new: Counts
) -> None:
    """In the block in which it falls, harm is no higher, and safety no lower."""
    wealth, known = played(null, past)
    before = wealth.after(old, new, known).log_e
    after = wealth.after(Counts(old.n, min(old.bad + 1, old.n)), new, known).log_e
    assert (after <= before + 1e-9) if isinstance(null, Harm) else (after >= before - 1e-9)


@settings(deadline=None)
@given(nulls, counts, counts, st.integers(2, 50))
def test_a_block_depends_on_the_ratio_of_the_arms(null: Null, old: Counts, new: Counts, times: int) -> None:
    """Many times the same block at once gives each bet as many times the evidence: the order inside does not matter."""
    known = OldRate(1e9, 1e6)
    one = Wealth.start(null).after(old, new, known)
    many = Wealth.start(null).after(
        Counts(old.n * times, old.bad * times), Counts(new.n * times, new.bad * times), known
    )
    start = Wealth.start(null).bets
    for first, single, multiple in zip(start, one.bets, many.bets, strict=True):
        # From below: what is fed from the reserve comes on top.
        assert multiple >= min(first + times * (single - first) - times * 0.1, 999.0) or single - first < 1


@pytest.mark.parametrize("null", [Harm(0.0), Harm(0.001), Harm(0.9), Safety(0.01), Safety(0.9, 2.0)])
@pytest.mark.parametrize("old", [Counts(10**6, 0), Counts(10**6, 10**6), Counts(1, 0), Counts(1, 1)])
@pytest.mark.parametrize("new", [Counts(10**6, 0), Counts(10**6, 10**6), Counts(1, 0), Counts(1, 1)])
def test_none_bad_and_all_bad_give_numbers(null: Null, old: Counts, new: Counts) -> None:
    """No rate is ever estimated as 0 or 1, so no logarithm fails, however long it lasts."""
    wealth, _ = played(null, [(old, new)] * 20)
    assert math.isfinite(wealth.log_e)
    assert all(math.isfinite(bet) for bet in wealth.bets)


def test_ten_million_requests_of_an_equal_one_leave_a_number_and_the_power_to_see() -> None:
    """row_22: after 10 million good requests the wealth is what was kept back, and one that then fails is seen."""
    wealth, known = Wealth.start(Harm()), OldRate()
    block = Counts(9_000, 9), Counts(1_000, 1)
    for _ in range(1_000):
        wealth, known = wealth.after(*block, known), known.after(block[0])
    assert reserve(10**6) <= math.exp(wealth.log_e) < 1
    failing = 0
    while wealth.log_e < math.log(100):
        wealth = wealth.after(Counts(9, 0), Counts(1, 1), known)
        failing += 1
    assert failing <= 12


def test_one_that_turns_bad_late_is_seen_soon() -> None:
    """Ten thousand good requests cost a few hundred more, not ten thousand: a part of the wealth was kept back."""
    chance = random.Random(5)
    wealth, known = Wealth.start(Harm()), OldRate().after(Counts(2000, 10))
    for _ in range(1_000):
        old = Counts(90, sum(chance.random() < 0.005 for _ in range(90)))
        new = Counts(10, sum(chance.random() < 0.005 for _ in range(10)))
        wealth, known = wealth.after(old, new, known), known.after(old)
    asked = 0
    while wealth.log_e < math.log(100):
        old = Counts(90, sum(chance.random() < 0.005 for _ in range(90)))
        wealth = wealth.after(old, Counts(10, sum(chance.random() < 0.05 for _ in range(10))), known)
        asked += 10
    assert asked <= 1_000


@pytest.mark.parametrize("old_rate", [0.0001, 0.001, 0.01, 0.2])
def test_a_large_first_block_needs_no_history(old_rate: float) -> None:
    """A minute of 60,000 requests, nothing known before: bets are spread over likely old rates, and harm is seen."""
    worse = old_rate + max(0.02, 0.2 * old_rate)
    old, new = Counts(54_000, round(54_000 * old_rate)), Counts(6_000, round(6_000 * worse))
    assert Wealth.start(Harm()).after(old, new, OldRate()).log_e > math.log(300)


@given(st.lists(counts, max_size=30))
def test_what_is_known_of_the_old_rate_fades(past: list[Counts]) -> None:
    """However much was seen, it weighs no more than MEMORY requests, and the rate stays inside the ladder."""
    known = OldRate()
    for seen in past:
        known = known.after(Counts(seen.n * 1000, seen.bad * 1000))
    assert known.n <= 100_000 * (1 + 1e-9)
    assert 0 < rate_of(level_of(known.n, known.bad)) < 1
    assert log_sum([share for _, share in known.spread(10**9)]) == pytest.approx(0, abs=1e-9)


def test_the_shares_add_up_to_one() -> None:
    """The wealth at the start is 1: more would break the promise, less would waste."""
    assert sum(share for _, share in HARMFUL) == pytest.approx(1)
    assert sum(share for _, share in HARMLESS) == pytest.approx(1)
    assert reserve(0) == RESERVE
    assert Wealth.start(Harm()).log_e == pytest.approx(0)
