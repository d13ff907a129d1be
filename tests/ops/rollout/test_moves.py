"""The moves of a person: what is refused before anything is written."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from ops import lineage
from ops.errors import NotFound, Refused, UsageError
from ops.rollout import moves
from ops.rollout.position import Position


@pytest.mark.parametrize("text", ["-1", "101", "2.5", "ten", "", "1e1", "٣", " 5"])
def test_a_percentage_is_a_whole_number_up_to_100(text: str) -> None:
    """Anything else is wrong usage."""
    with pytest.raises(UsageError, match="whole number from 0 to 100"):
        moves.percentage(text, "--green")


@pytest.mark.parametrize(("text", "percent"), [("0", 0), ("25", 25), ("100", 100)])
def test_whole_numbers_are_percentages(text: str, percent: int) -> None:
    """Both ends included."""
    assert moves.percentage(text, "--green") == percent


@dataclass
class Resource:
    """As much of an endpoint or a deployment as cleanup looks at."""

    name: str
    tags: dict[str, str] = field(default_factory=dict)
    traffic: dict[str, int] = field(default_factory=dict)
    mirror_traffic: dict[str, int] = field(default_factory=dict)


class Workspace:
    """A client that can be read and not written: a rule that writes before it refuses fails here."""

    def __init__(self, endpoint: Resource, *deployments: Resource) -> None:
        self._endpoint, self._deployments = endpoint, deployments
        self.online_endpoints = self.online_deployments = self

    def get(self, name: str) -> Resource:
        return self._endpoint

    def list(self, endpoint: str) -> tuple[Resource, ...]:
        return self._deployments


def cleanup(traffic: dict[str, int], *slots: str) -> str | None:
    """Clean up an endpoint whose deployments were made in the order of `slots`."""
    deployments = [Resource(slot, {lineage.DEPLOYED: f"2026-0{i + 1}"}) for i, slot in enumerate(slots)]
    client: Any = Workspace(Resource("flights", traffic=traffic), *deployments)
    return moves.cleanup(client, "flights", force=False, deadline_seconds=1, say=lambda line: None)


def test_row_26_a_split_is_not_cleaned_up() -> None:
    """Both colours have traffic: finish it or end it."""
    with pytest.raises(Refused, match="inv rollback"):
        cleanup({"blue": 90, "green": 10}, "blue", "green")


def test_row_26_a_deployment_that_waits_for_its_rollout_is_kept() -> None:
    """It has no traffic because it is new, not because it is old."""
    with pytest.raises(Refused, match="green still waits"):
        cleanup({"blue": 100}, "blue", "green")


def test_row_26_the_only_deployment_is_kept() -> None:
    """With all the traffic there is nothing to delete, without any it waits for it."""
    assert cleanup({"blue": 100}, "blue") is None
    with pytest.raises(Refused, match="blue still waits"):
        cleanup({}, "blue")


def test_row_24_nothing_to_go_back_to() -> None:
    """The only deployment cannot be rolled back."""
    client: Any = None
    with pytest.raises(NotFound, match="only deployment"):
        moves.put_back(
            client, "flights", Position(None, "blue", 100, "blue of x"), "", deadline_seconds=1, say=lambda line: None
        )
