"""The rules of traffic, and the split of it."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.errors import Invalid
from local.routing.traffic import Split, check_name, check_removal, check_traffic

COLOURS = ("blue", "green", "red")
percentages = st.integers(min_value=0, max_value=100)
shares = st.dictionaries(st.sampled_from(COLOURS), percentages, max_size=3)


def refused(traffic: dict[str, object], mirror: dict[str, object] | None = None) -> str | None:
    """Give the refusal's message, or None if the allocation is taken."""
    try:
        check_traffic(traffic, mirror or {}, COLOURS)
    except Invalid as refusal:
        return refusal.message
    return None


@given(traffic=shares, mirror=shares)
def test_taken_exactly_when_the_rules_hold(traffic: dict[str, int], mirror: dict[str, int]) -> None:
    """An allocation is taken if and only if each of the service's rules holds."""
    mirrored = {name: percent for name, percent in mirror.items() if percent}
    lawful = (
        sum(traffic.values()) in (0, 100)
        and len(mirrored) <= 1
        and all(percent <= 50 and not traffic.get(name) for name, percent in mirrored.items())
    )
    assert (refused(dict(traffic), dict(mirror)) is None) == lawful


@pytest.mark.parametrize("percent", [10.0, "10", True, -1, 101, None])
def test_percentages_are_whole_numbers_from_0_to_100(percent: object) -> None:
    """Anything but an int from 0 to 100 is refused, and the message shows it."""
    message = refused({"blue": percent, "green": 90})
    assert message is not None
    assert repr(percent) in message


def test_a_colour_that_does_not_exist_is_named_with_those_that_do() -> None:
    """Traffic to an unknown deployment is refused, and the message says what exists."""
    message = refused({"purple": 100})
    assert message is not None
    assert "'purple'" in message
    assert "blue, green, red" in message


def test_a_wrong_sum_is_spelled_out() -> None:
    """A sum of 120 is refused with its terms and its total."""
    assert refused({"blue": 60, "green": 60}) == (
        "The sum of traffic must be 0 or 100, but blue=60, green=60 sums to 120."
    )


def test_a_deployment_with_traffic_of_either_kind_is_not_removed() -> None:
    """row_26: live or mirror traffic forbids deletion; none allows it."""
    with pytest.raises(Invalid, match="90 % of live traffic"):
        check_removal("blue", {"blue": 90, "green": 10}, {})
    with pytest.raises(Invalid, match="20 % of mirror traffic"):
        check_removal("green", {"blue": 100}, {"green": 20})
    check_removal("green", {"blue": 100, "green": 0}, {"green": 0})


@pytest.mark.parametrize("name", ["blue", "a1b", "My-Endpoint", "a" * 32])
def test_lawful_names(name: str) -> None:
    """Letters, digits and inner dashes, from a letter, 3 to 32 characters."""
    check_name("deployment", name)


@pytest.mark.parametrize("name", ["", "ab", "a" * 33, "1ab", "ab-", "-ab", "a_b", "a.b", "../x", "abc\n", "añb"])
def test_unlawful_names(name: str) -> None:
    """All else is refused, and the message names it."""
    with pytest.raises(Invalid, match="is not valid"):
        check_name("deployment", name)


@given(cut=percentages, draw=st.floats(min_value=0, max_value=1, exclude_max=True))
def test_a_draw_goes_where_the_percentages_say(cut: int, draw: float) -> None:
    """row_23: a draw below blue's share goes to blue, any other to green."""
    expected = "blue" if int(draw * 100) < cut else "green"
    assert Split({"blue": cut, "green": 100 - cut}).choose(draw) == expected


@given(cuts=st.lists(percentages, min_size=2, max_size=2))
def test_the_hundred_draws_meet_the_percentages_exactly(cuts: list[int]) -> None:
    """One draw from each hundredth gives each deployment its percentage, exactly."""
    low, high = sorted(cuts)
    traffic = {"blue": low, "green": high - low, "red": 100 - high}
    counts = Counter(Split(traffic).choose((place + 0.5) / 100) for place in range(100))
    assert {name: counts[name] for name in traffic} == traffic


def test_the_order_of_the_allocation_does_not_matter() -> None:
    """The same allocation in another order sends the same draws to the same places."""
    one, other = Split({"blue": 30, "green": 70}), Split({"green": 70, "blue": 30})
    draws = [random.Random(7).random() for _ in range(50)]
    assert [one.choose(draw) for draw in draws] == [other.choose(draw) for draw in draws]


def test_no_traffic_is_no_deployment() -> None:
    """row_20: with all traffic at 0 there is nowhere to go."""
    assert Split({"blue": 0}).choose(0.5) is None
    assert Split({}).choose(0.0) is None
