"""Where a rollout stands: which is new, what share it has, which steps are left."""

from __future__ import annotations

import doctest
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops import lineage
from ops.errors import NotFound
from ops.rollout import position
from ops.rollout.position import Position
from ops.traffic import Split


@dataclass
class Deployed:
    """As much of the SDK's deployment, and of its endpoint, as the rules look at."""

    tags: dict[str, str] = field(default_factory=dict)


def deployed(at: str) -> Deployed:
    return Deployed({lineage.DEPLOYED: at})


def test_the_new_deployment_is_the_one_deployed_last() -> None:
    """Whatever its colour, and whatever the split."""
    there = {"blue": deployed("2026-02"), "green": deployed("2026-01")}
    now = Position.of(there, Split({"green": 90, "blue": 10}, {}))  # type: ignore[arg-type]
    assert (now.old, now.new, now.share) == ("green", "blue", 10)


def test_a_rollout_needs_a_deployment() -> None:
    """Without one it says how to get it."""
    with pytest.raises(NotFound, match="inv deploy"):
        Position.of({}, Split({}, {}))


@given(st.integers(0, 100), st.sets(st.integers(1, 99)).map(lambda steps: (*sorted(steps), 100)))
def test_steps_rise_from_where_it_stands_to_all(share: int, steps: tuple[int, ...]) -> None:
    """No step goes down, none is skipped, the last is 100; the present one is judged again."""
    left = position.steps_left(share, steps)
    assert left == sorted(left)
    assert left[-1] == 100
    assert set(left) == {step for step in steps if step >= share}


def test_a_deployment_that_is_alone_replaces_nothing() -> None:
    """There is no old one to go back to."""
    now = Position.of({"blue": deployed("2026-01")}, Split({"blue": 100}, {}))  # type: ignore[dict-item]
    assert (now.old, now.new, now.share) == (None, "blue", 100)


def test_a_redeployed_slot_is_another_deployment() -> None:
    """Row 25: what was rolled back was the deployment of that time, not the slot."""
    bad, mended = (position.identity(deployed(at), "green") for at in ("2026-01", "2026-02"))  # type: ignore[arg-type]
    endpoint = Deployed({lineage.ROLLED_BACK: f"{bad}: error: green 9 of 10"})
    assert position.was_rolled_back(endpoint, bad)  # type: ignore[arg-type]
    assert not position.was_rolled_back(endpoint, mended)  # type: ignore[arg-type]


@given(st.integers(0, 100), st.sets(st.integers(1, 99)).map(lambda steps: (*sorted(steps), 100)), st.data())
def test_no_step_beyond_the_last_that_was_asked_for(share: int, steps: tuple[int, ...], data: st.DataObject) -> None:
    """--step 25 leaves what is up to 25, and nothing when it is past that already."""
    last = data.draw(st.sampled_from(steps))
    assert position.steps_left(share, steps, last) == [
        step for step in position.steps_left(share, steps) if step <= last
    ]


def test_examples_in_docstrings_hold() -> None:
    """What the docstrings show is what happens."""
    assert doctest.testmod(position).failed == 0
