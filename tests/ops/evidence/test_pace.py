"""The test of times: what it promises an equal one under any noise, and what it sees of a slower one."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ops.evidence import Counts, Evidence, Policy, Slower, Times
from ops.evidence.pace import RECENT, STAKES, WARM, Pace

Noise = Callable[[random.Random, int], tuple[float, float]]
TEN_PERCENT = math.log(10)


def steady(chance: random.Random, number: int) -> tuple[float, float]:
    """Some milliseconds, an answer in six half as long again."""
    return 0.02 * math.exp(chance.gauss(0, 0.3)), 0.02 * math.exp(chance.gauss(0, 0.3))


def hiccups(chance: random.Random, number: int) -> tuple[float, float]:
    """Now and then either takes a hundred times as long."""
    return tuple(seconds * (100 if chance.random() < 0.05 else 1) for seconds in steady(chance, number))  # type: ignore[return-value]


def together(chance: random.Random, number: int) -> tuple[float, float]:
    """A slow hour of both, five times as slow, in which every other pair is slow on one side, by chance."""
    old, new = steady(chance, number)
    slow = 5 if (number // 100) % 2 else 1
    side = chance.random() < 0.5
    return old * slow * (1 + side), new * slow * (2 - side)


def coarse(chance: random.Random, number: int) -> tuple[float, float]:
    """A clock that knows whole centiseconds only, so that many times are equal."""
    old, new = steady(chance, number)
    return math.ceil(old * 100) / 100, math.ceil(new * 100) / 100


def pairs(noise: Noise, factor: float, chance: random.Random) -> Iterator[Times]:
    """Yield pairs for ever, the new one `factor` times as slow."""
    number = 0
    while True:
        old, new = noise(chance, number)
        yield Times(old, new * factor)
        number += 1


def until(pace: Pace, stream: Iterator[Times], line: float, most: int) -> int | None:
    """Return after how many pairs the wealth reached the line; None when it did not within `most`."""
    for number in range(1, most + 1):
        pace = pace.after(next(stream))
        if pace.peak >= line:
            return number
    return None


@pytest.mark.parametrize("noise", [steady, hiccups, together, coarse])
def test_looking_after_each_pair_cries_wolf_no_more_than_promised(noise: Noise) -> None:
    """row_22: no tolerance, an equal one: of 10 rollouts at most one reaches an E of 10, and what chance adds."""
    chance = random.Random(11)
    wrong = sum(
        until(Pace.start(Slower(0)), pairs(noise, 1.0, chance), TEN_PERCENT, 200) is not None for _ in range(40)
    )
    assert wrong <= 40 * 0.1 + 3 * (40 * 0.1 * 0.9) ** 0.5


def test_what_is_tolerable_is_tolerated() -> None:
    """Ten percent slower with a tolerance of ten percent is like an equal one with none."""
    chance = random.Random(12)
    wrong = sum(
        until(Pace.start(Slower(0.1)), pairs(steady, 1.1, chance), TEN_PERCENT, 200) is not None for _ in range(40)
    )
    assert wrong <= 40 * 0.1 + 3 * (40 * 0.1 * 0.9) ** 0.5


@pytest.mark.parametrize(("noise", "most"), [(steady, 600), (hiccups, 800), (together, 1500), (coarse, 1500)])
def test_row_22_thirty_percent_slower_is_seen(noise: Noise, most: int) -> None:
    """Through all that noise, within some hundred pairs, at the line that a rollout has by default: an E of 1,000."""
    found = until(Pace.start(Slower(0.1)), pairs(noise, 1.3, random.Random(13)), math.log(1000), most)
    assert found is not None
    assert found > WARM


def test_no_pair_gains_on_average_where_the_null_holds() -> None:
    """Each pair of equal ones may come the other way round with the same chance: the mean of both is no gain."""
    chance = random.Random(14)
    pace = Pace.start(Slower(0))
    for times in (next(pairs(hiccups, 1.0, chance)) for _ in range(WARM + 50)):
        pace = pace.after(times)
    for times in (next(pairs(hiccups, 1.0, chance)) for _ in range(50)):
        there, back = pace.after(times), pace.after(Times(times.new, times.old))
        mean = (math.exp(there.log_e) + math.exp(back.log_e)) / 2
        assert mean <= math.exp(pace.log_e) * (1 + 1e-9)


def test_the_first_pairs_are_only_learned_from() -> None:
    """A deployment that was never called is slow at first; nor is anything known of the old one."""
    pace = Pace.start(Slower(0.1))
    for _ in range(WARM):
        pace = pace.after(Times(0.01, 9.0))
    assert pace.new == Counts()
    assert pace.log_e == pytest.approx(0)
    assert pace.after(Times(0.01, 9.0)).new == Counts(1, 1)


def test_one_that_turns_slow_late_is_seen() -> None:
    """Three thousand good pairs do not use up what it has to bet."""
    chance = random.Random(15)
    pace = Pace.start(Slower(0.1))
    good = pairs(steady, 1.0, chance)
    for _ in range(3000):
        pace = pace.after(next(good))
    assert pace.peak < math.log(1000)
    assert until(pace, pairs(steady, 2.0, chance), math.log(1000), 400) is not None


seconds = st.floats(0, 1e6) | st.sampled_from([0.0, 0.01])


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(seconds, seconds), max_size=30), st.floats(0, 1000))
def test_any_times_give_numbers_that_come_back(found: list[tuple[float, float]], by: float) -> None:
    """Zero and days included; a text of at most 256 characters keeps it, and never with more evidence than before."""
    pace = Pace(Slower(by), Pace.start(Slower(by)).bets, recent=(0.01,) * RECENT)
    for times in found:
        pace = pace.after(Times(*times))
    assert math.isfinite(pace.log_e)
    assert len(pace.recent) == RECENT
    text = pace.packed()
    again = Pace.unpacked(Slower(by), text)
    assert len(text) <= 256
    assert (again.old, again.new) == (pace.old, pace.new)
    assert pace.log_e - 0.0101 <= again.log_e <= pace.log_e + 1e-9
    assert again.packed() == text


def test_a_billion_pairs_fit_in_a_tag() -> None:
    """At the least and at the most that a bet can be."""
    for bet in (1000.0, -12345.678):
        many = Counts(10**9, 10**9)
        assert len(Pace(Slower(), (bet,) * len(STAKES), many, many, 1000.0).packed()) <= 256


@pytest.mark.parametrize(
    "text", ["", "{}", "[1]", "[2,[0,0,0,0],[0,0,0,0,0,0]]", "[1,[0,5,0,0],[0,0,0,0,0,0]]", "[1,7,7]", '["a"]']
)
def test_what_cannot_be_read_is_refused(text: str) -> None:
    """The metric is named."""
    with pytest.raises(ValueError, match="kept evidence of slower"):
        Pace.unpacked(Slower(), text)


def test_times_are_judged_only_when_the_policy_says_so() -> None:
    """Without `slower` they are left aside; with it they alone can roll back, and nobody waits for them."""
    plain = Evidence.start(Policy())
    assert plain.after(Times(1.0, 9.0)) == plain
    evidence = Evidence.start(Policy(slower=Slower(0.1)))
    assert evidence.policy.harm_threshold(Slower(0.1)) == pytest.approx(200)
    for _ in range(WARM + 60):
        evidence = evidence.after(Times(0.01, 0.03))
    verdict = evidence.verdict()
    assert verdict.answer == "bad"
    [slower] = [finding for finding in verdict.findings if finding.answer == "bad"]
    assert (slower.metric, slower.new.bad, slower.new.n) == ("slower", 60, 60)
    good = Evidence.start(Policy(slower=Slower(0.1)))
    for _ in range(20):
        good = good.after({"error": (Counts(90), Counts(90))})
    assert good.verdict().answer == "good"


@pytest.mark.parametrize("wrong", [lambda: Slower(-0.1), lambda: Slower(math.inf), lambda: Slower(0.1, 0)])
def test_tolerances_that_cannot_be_are_refused(wrong: Callable[[], Slower]) -> None:
    """Faster than the old one, any time at all, no part of alpha."""
    with pytest.raises(ValueError, match="give by"):
        wrong()
