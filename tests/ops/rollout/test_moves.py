"""The moves of a person: what is refused before anything is written."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from endpoint import Client, Resource

from ops import lineage
from ops.errors import NotFound, Refused, UsageError
from ops.rollout import lease, ledger, moves
from ops.rollout.ledger import Ledger
from ops.rollout.plan import policy
from ops.rollout.position import Position
from ops.settings import Rollout

POLICY = policy(Rollout())


@pytest.mark.parametrize("text", ["-1", "101", "2.5", "ten", "", "1e1", "٣", " 5"])
def test_a_percentage_is_a_whole_number_up_to_100(text: str) -> None:
    """Anything else is wrong usage."""
    with pytest.raises(UsageError, match="whole number from 0 to 100"):
        moves.parse_percentage(text, "--green")


@pytest.mark.parametrize(("text", "percent"), [("0", 0), ("25", 25), ("100", 100)])
def test_whole_numbers_are_percentages(text: str, percent: int) -> None:
    """Both ends included."""
    assert moves.parse_percentage(text, "--green") == percent


class Workspace(Client):
    """It can be read and not written: a rule that writes before it refuses fails here."""

    def begin_create_or_update(self, given: Resource) -> Client:
        raise AssertionError(f"{given.name} was written")


def mirror(traffic: dict[str, int], slot: str, client_of: type[Client] = Client) -> Resource:
    """Let `slot` mirror 20 %, and return the endpoint afterwards."""
    client: Any = client_of(Resource(traffic=traffic), Resource(name="blue"), Resource(name="green"))
    moves.shift(client, "flights", slot, 20, 20, deadline_seconds=2, say=lambda line: None)
    endpoint: Resource = client.endpoint
    return endpoint


@pytest.mark.parametrize("live", ["blue", "green"])
def test_row_23_a_mirror_leaves_the_live_traffic_where_it_is(live: str) -> None:
    """Whichever colour has it."""
    idle = {"blue": "green", "green": "blue"}[live]
    found = mirror({live: 100}, idle)
    assert (found.traffic, found.mirror_traffic) == ({live: 100}, {idle: 20})


def test_row_23_no_mirror_can_always_be_had() -> None:
    """0 % ends one, and takes no traffic from anybody."""
    client: Any = Client(Resource(traffic={"green": 100}), Resource(name="blue"), Resource(name="green"))
    moves.shift(client, "flights", "green", 0, 0, deadline_seconds=2, say=lambda line: None)
    assert (client.endpoint.traffic, client.endpoint.mirror_traffic) == ({"green": 100}, {})


@pytest.mark.parametrize("traffic", [{"green": 100}, {"blue": 90, "green": 10}])
def test_row_23_what_has_live_traffic_does_not_mirror_it(traffic: dict[str, int]) -> None:
    """It would have to lose it first, and nobody has said to whom."""
    with pytest.raises(Refused, match=r"green has \d+ % of the live traffic: only a deployment without any can mirror"):
        mirror(traffic, "green", Workspace)


def cleanup(traffic: dict[str, int], *slots: str, tags: dict[str, str] | None = None) -> str | None:
    """Clean up an endpoint with these tags, whose deployments were made in the order of `slots`."""
    deployments = [Resource(name=slot, tags={lineage.DEPLOYED: f"2026-0{i + 1}"}) for i, slot in enumerate(slots)]
    client: Any = Workspace(Resource(tags=tags or {}, traffic=traffic), *deployments)
    return moves.cleanup(client, "flights", force=False, deadline_seconds=1, say=lambda line: None)


def test_row_26_a_split_is_not_cleaned_up() -> None:
    """Both colours have traffic: finish it or end it."""
    with pytest.raises(Refused, match="inv rollback"):
        cleanup({"blue": 90, "green": 10}, "blue", "green")


def test_row_26_a_deployment_that_waits_for_its_rollout_is_kept() -> None:
    """It has no traffic because it is new, not because it is old."""
    with pytest.raises(Refused, match="green still waits"):
        cleanup({"blue": 100}, "blue", "green")


@pytest.mark.parametrize("status", [ledger.RUNNING, ledger.PAUSED])
def test_row_26_the_way_back_is_kept_until_the_last_step_is_judged(status: str) -> None:
    """All the traffic is no end yet: what it would go back to stays."""
    kept = replace(Ledger.start("green of 2026-02", POLICY).at_step(100), status=status)
    with pytest.raises(Refused, match="its rollout is not over, and blue is its way back"):
        cleanup({"green": 100}, "blue", "green", tags=kept.tags())


def test_row_26_nothing_is_deleted_under_a_rollout_at_work() -> None:
    """Somebody holds the endpoint, whatever its traffic."""
    held = lease.Lease("somebody@elsewhere:1 #abc", datetime.now(UTC) + timedelta(minutes=1))
    with pytest.raises(Refused, match="somebody@elsewhere"):
        cleanup({"green": 100}, "blue", "green", tags={lineage.LEASE: str(held)})


def test_row_16_no_bad_request_is_sent_under_a_rollout_at_work() -> None:
    """The endpoint's test would be counted in what is judged; a lease that has run out stands in nobody's way."""
    until = datetime.now(UTC) + timedelta(minutes=1)
    endpoint: Any = Resource(tags={lineage.LEASE: str(lease.Lease("somebody@elsewhere:1 #abc", until))})
    with pytest.raises(Refused, match="somebody@elsewhere:1 #abc is rolling out"):
        moves.check_quiet(endpoint)
    for over in ({}, {lineage.LEASE: ""}, {lineage.LEASE: str(lease.Lease("x", until - timedelta(minutes=2)))}):
        moves.check_quiet(Resource(tags=over))  # type: ignore[arg-type]


def test_row_24_only_a_rollout_that_broke_off_is_undone_when_that_is_asked_for() -> None:
    """One that is over, was paused, or never had a request stays as it is: this client cannot even be written."""
    said: list[str] = []
    for status, share in ((ledger.DONE, 100), (ledger.PAUSED, 25), (ledger.ROLLED_BACK, 0), (ledger.RUNNING, 0)):
        kept = replace(Ledger.start("green of 2026-02", POLICY).at_step(25), status=status)
        split = {"blue": 100 - share, "green": share}
        deployments = [Resource(name=slot, tags={lineage.DEPLOYED: f"2026-0{i + 1}"}) for i, slot in enumerate(split)]
        client: Any = Workspace(Resource(tags=kept.tags(), traffic=split), *deployments)
        back = moves.rollback(client, "flights", "", unfinished=True, deadline_seconds=1, say=said.append)
        assert back.share("green") == share
    assert said == ["no rollout has broken off: the traffic stays as it is"] * 4


def test_row_26_the_only_deployment_is_kept() -> None:
    """With all the traffic there is nothing to delete, without any it waits for it."""
    assert cleanup({"blue": 100}, "blue") is None
    with pytest.raises(Refused, match="blue still waits"):
        cleanup({}, "blue")


def test_row_24_nothing_to_go_back_to() -> None:
    """The only deployment cannot be rolled back."""
    client: Any = None
    with pytest.raises(NotFound, match="only deployment"):
        moves.restore(
            client, "flights", Position(None, "blue", 100, "blue of x"), "", deadline_seconds=1, say=lambda line: None
        )


def test_a_number_of_any_length_is_no_percentage() -> None:
    """Python itself reads no number of 5000 digits."""
    with pytest.raises(UsageError, match="whole number from 0 to 100"):
        moves.parse_percentage("9" * 5000, "--green")
