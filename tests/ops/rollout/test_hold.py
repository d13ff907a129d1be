"""One run's hold on an endpoint, while others write it too: what renews its lease, and what makes it give way."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from azure.core.exceptions import ServiceRequestError
from endpoint import Client, Resource

from ops import lineage, traffic, wait
from ops.errors import OpsError, Paused, Refused
from ops.rollout import hold, lease
from ops.rollout.hold import Hold
from ops.rollout.position import Position

BACK, TEN, HALF = {"blue": 100}, {"blue": 90, "green": 10}, {"blue": 50, "green": 50}
START = datetime(2026, 11, 23, 7, tzinfo=UTC)
LEASE_SECONDS = 60
POSITION = Position("blue", "green", 10, "green of 2026")


Other = Callable[[Resource], object]


class Shared(Client):
    """An endpoint that others change too: `then` is what they do after the next calls, one after another.

    `stale` are answers to the next reads that are older than what is there.
    """

    def __init__(self, **tags: str) -> None:
        super().__init__(Resource(tags=tags, traffic=dict(BACK)))
        self.then: list[tuple[str, Other]] = []
        self.stale: list[Resource] = []

    def get(self, name: str) -> Resource:
        found = super().get(name)
        return self.stale.pop(0) if self.stale else found

    def done(self, verb: str) -> None:
        if self.then and self.then[0][0] == verb:
            self.then.pop(0)[1](self.endpoint)

    @property
    def lease(self) -> lease.Lease | None:
        return lease.read((self.endpoint.tags or {}).get(lineage.LEASE))


class Clock(datetime):
    """The time of day, which only a test moves."""

    moment = START

    @classmethod
    def now(cls, tz: Any = None) -> datetime:
        return cls.moment


@pytest.fixture(autouse=True)
def _in_haste(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is wrong has to stay so for a moment only, and the time of day stands still."""
    monkeypatch.setattr(hold, "_SETTLE_SECONDS", 0.03)
    monkeypatch.setattr(hold, "_SETTLE_POLL_SECONDS", 0.01)
    monkeypatch.setattr(lease, "datetime", Clock)
    monkeypatch.setattr(Clock, "moment", START)


def ada(seconds: float = LEASE_SECONDS) -> str:
    """Return the lease of another operator, as the tag keeps it."""
    return str(lease.Lease("ada@elsewhere:4711 #a1b2c3", START + timedelta(seconds=seconds)))


def leased(tag: str) -> Other:
    """Return what another operator does that writes its lease."""
    return lambda endpoint: endpoint.tags.update({lineage.LEASE: tag})  # type: ignore[union-attr]


def split(live: dict[str, int]) -> Other:
    """Return what a person does that sets the split by hand."""
    return lambda endpoint: setattr(endpoint, "traffic", dict(live))


def new(client: Any) -> Hold:
    return Hold(client, "flights", lease_seconds=LEASE_SECONDS, deadline_seconds=2)


def taken(client: Any) -> Hold:
    """Return a hold that has the endpoint; what it put to get it is forgotten."""
    held = new(client)
    held.take(client.get("flights"), {}, force=False)
    client.puts.clear()
    return held


def test_what_is_taken_carries_the_lease_and_the_tags() -> None:
    """In one write, beside the tags that are there; the split is left as it is."""
    client: Any = Shared(team="x")
    new(client).take(client.get("flights"), {lineage.ROLLED_BACK: "", "a": "1"}, force=False)
    [put] = client.puts
    assert {key: value for key, value in put.tags.items() if key != lineage.LEASE} == {
        "team": "x", lineage.ROLLED_BACK: "", "a": "1",
    }  # fmt: skip
    assert client.lease.until == START + timedelta(seconds=LEASE_SECONDS)
    assert put.traffic == BACK


def test_an_endpoint_without_any_tags_is_taken() -> None:
    """The SDK says None for none; when they are all gone later, so is the lease."""
    client: Any = Shared()
    client.endpoint.tags = None
    held = taken(client)
    assert client.lease.until == START + timedelta(seconds=LEASE_SECONDS)
    client.endpoint.tags = None
    with pytest.raises(Refused, match="another operator has had this endpoint"):
        held.check()


WRITES: dict[str, Callable[[Hold], object]] = {
    "write": lambda held: held.write(TEN, {"a": "1"}),
    "checkpoint": lambda held: held.checkpoint({"a": "1"}, every_seconds=0),
}


@pytest.mark.parametrize("name", WRITES)
def test_every_write_renews_the_lease(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten seconds before its end it has all its time again, and the tags are there."""
    client: Any = Shared()
    held = taken(client)
    monkeypatch.setattr(Clock, "moment", START + timedelta(seconds=50))
    WRITES[name](held)
    assert client.lease.until == START + timedelta(seconds=50 + LEASE_SECONDS)
    assert client.endpoint.tags["a"] == "1"
    assert len(client.puts) == 1


@pytest.mark.parametrize("name", ["checkpoint", "write"])
def test_a_checkpoint_waits_for_its_time_since_the_last_write(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever write that was; before it nothing is put, then the tags are."""
    clock = [1000.0]
    monkeypatch.setattr(wait, "clock", lambda: clock[0])
    client: Any = Shared()
    held = taken(client)
    WRITES[name](held)
    client.puts.clear()
    for seconds, puts in ((59, 0), (60, 1), (119, 1), (120, 2)):
        clock[0] = 1000 + seconds
        held.checkpoint({"seen": str(seconds)}, every_seconds=60)
        assert len(client.puts) == puts
    assert client.endpoint.tags["seen"] == "120"


def test_a_checkpoint_does_not_wait_for_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Evidence is gathered on meanwhile; every other write is seen to end."""
    client: Any = Shared()
    held = taken(client)
    ended: list[str] = []
    monkeypatch.setattr(client, "result", lambda timeout: ended.append("yes"))
    held.checkpoint({"a": "1"}, every_seconds=0)
    assert (client.endpoint.tags["a"], ended) == ("1", [])
    held.write(TEN, {"a": "2"})
    held.release({"a": "3"})
    assert ended == ["yes", "yes"]


def test_another_operator_at_work_is_refused_before_anything_is_put() -> None:
    """Unless forced: then the lease is ours."""
    client: Any = Shared(**{lineage.LEASE: ada()})
    held = new(client)
    with pytest.raises(Refused, match="ada@elsewhere:4711"):
        held.take(client.get("flights"), {}, force=False)
    assert client.puts == []
    held.take(client.get("flights"), {}, force=True)
    assert client.lease.holder != "ada@elsewhere:4711 #a1b2c3"


def test_of_two_that_take_it_together_the_one_overwritten_gives_way() -> None:
    """The other lease was put right after ours, which the read-back sees; nothing of ours follows."""
    client: Any = Shared()
    client.then = [("put", leased(ada()))]
    held = new(client)
    with pytest.raises(Refused, match="ada@elsewhere:4711"):
        held.take(client.get("flights"), {}, force=False)
    held.abandon({"a": "1"})
    assert len(client.puts) == 1
    assert client.endpoint.tags[lineage.LEASE] == ada()


def test_force_takes_it_again_from_one_that_renewed_meanwhile() -> None:
    """Three times at the most."""
    client: Any = Shared(**{lineage.LEASE: ada()})
    client.then = [("put", leased(ada()))]
    new(client).take(client.get("flights"), {}, force=True)
    assert (len(client.puts), client.endpoint.tags[lineage.LEASE] == ada()) == (2, False)
    client.then = [("put", leased(ada()))] * 3
    with pytest.raises(Refused, match="ada@elsewhere:4711"):
        new(client).take(client.get("flights"), {}, force=True)
    assert client.endpoint.tags[lineage.LEASE] == ada()


OTHERS = pytest.mark.parametrize(
    ("other", "kind", "said"),
    [(leased(ada()), Refused, "ada@elsewhere:4711"), (split(HALF), Paused, "set to blue 50 %, green 50 % by hand")],
    ids=["another lease", "a split set by hand"],
)


@OTHERS
@pytest.mark.parametrize("name", ["write", "checkpoint"])
def test_row_22_what_comes_between_the_look_and_the_put_is_not_written_over(
    name: str, other: Other, kind: type[OpsError], said: str
) -> None:
    """The write sees it in the very read that it would build upon."""
    client: Any = Shared()
    held = taken(client)
    client.then = [("get", other)]
    with pytest.raises(kind, match=said):
        WRITES[name](held)
    assert client.then == []
    assert client.puts == []


def test_row_22_the_split_before_the_last_write_is_set_by_hand_too() -> None:
    """Whoever puts a step back while nobody writes is seen at the next look."""
    client: Any = Shared()
    held = taken(client)
    held.write(TEN, {})
    split(BACK)(client.endpoint)
    with pytest.raises(Paused, match="set to blue 100 % by hand, not to blue 90 %, green 10 %"):
        held.check()


@OTHERS
def test_row_22_tags_give_way_too(other: Other, kind: type[OpsError], said: str) -> None:
    """With no look of their own, by what they read to be merged with."""
    client: Any = Shared()
    held = taken(client)
    other(client.endpoint)
    with pytest.raises(kind, match=said):
        held.checkpoint({"a": "1"}, every_seconds=0)
    assert client.puts == []


def test_one_old_answer_does_not_end_a_run() -> None:
    """Azure may answer with what was so before the last write: the write is made all the same."""
    client: Any = Shared()
    held = taken(client)
    held.write(TEN, {})
    client.stale = [Resource(dict(HALF), dict(client.endpoint.tags))]
    held.check()
    client.stale = [deepcopy(client.endpoint), Resource(dict(HALF), dict(client.endpoint.tags))]
    held.write(HALF, {"a": "1"})
    assert client.endpoint.traffic == HALF
    client.stale = [Resource(dict(TEN), {})]
    held.checkpoint({"a": "2"}, every_seconds=0)
    assert client.endpoint.tags["a"] == "2"
    client.stale = [Resource(dict(TEN), {})]
    held.roll_back(POSITION, "bad", {"a": "3"})
    assert client.endpoint.traffic == {"blue": 100}
    assert client.endpoint.tags["a"] == "3"


LOOKS = {"check": Hold.check, "roll_back": lambda held: held.roll_back(POSITION, "bad", {}), **WRITES}


def test_a_write_that_shows_late_was_set_by_no_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reads may be old for longer than the write waits for them: what shows then is what this run wanted."""
    monkeypatch.setattr(traffic, "_GIVE_WAY_SECONDS", 0.05)
    client: Any = Shared()
    held = taken(client)
    old = deepcopy(client.endpoint)
    client.then = [("put", lambda endpoint: client.stale.extend([old] * 3))]
    assert held.write(TEN, {}) == traffic.Split.of(TEN)
    assert client.endpoint.traffic == TEN


@pytest.mark.parametrize("left", ["", ada(seconds=-1)], ids=["given back", "expired"])
@pytest.mark.parametrize("name", LOOKS)
def test_a_lease_that_is_gone_says_that_somebody_was_here(name: str, left: str) -> None:
    """What this run observed is of before that, and it writes no more: not even to give the endpoint back."""
    client: Any = Shared()
    held = taken(client)
    leased(left)(client.endpoint)
    with pytest.raises(Refused, match="another operator has had this endpoint"):
        LOOKS[name](held)
    held.abandon({"a": "1"})
    assert client.puts == []


def test_what_another_operator_set_and_left_was_set_by_no_hand() -> None:
    """It came and ended while this run made sure: the run is refused, not paused."""
    client: Any = Shared()
    held = taken(client)
    mine = dict(client.endpoint.tags)
    client.stale = [Resource(dict(HALF), {lineage.LEASE: ada()})]
    client.endpoint = Resource(dict(HALF), mine)
    with pytest.raises(Refused, match="ada@elsewhere:4711"):
        held.check()


def test_row_24_a_rollback_does_not_mind_who_moved_the_traffic() -> None:
    """What was found bad loses it, whoever gave it that; the lease goes back in the same write."""
    client: Any = Shared()
    held = taken(client)
    held.write(TEN, {})
    split(HALF)(client.endpoint)
    client.puts.clear()
    held.roll_back(POSITION, "bad", {"a": "1"})
    assert client.endpoint.traffic == BACK
    assert client.endpoint.tags == {"a": "1", lineage.LEASE: "", lineage.ROLLED_BACK: f"{POSITION.identity}: bad"}
    assert len(client.puts) == 1


def test_what_is_released_is_free_and_stays_as_it_is() -> None:
    """The last tags go with it; there is nothing to give back after that."""
    client: Any = Shared()
    held = taken(client)
    held.release({"a": "1"})
    assert client.endpoint.tags == {"a": "1", lineage.LEASE: ""}
    held.abandon({"a": "2"})
    assert client.endpoint.tags == {"a": "1", lineage.LEASE: ""}
    assert len(client.puts) == 1


def test_a_fault_gives_back_what_is_held_and_what_is_still_ours() -> None:
    """Another's lease is left alone, and so is an endpoint that a rollback has given back already."""
    client: Any = Shared()
    held = taken(client)
    held.abandon({"a": "1"})
    assert client.endpoint.tags == {"a": "1", lineage.LEASE: ""}
    for lost in (False, True):
        client = Shared()
        held = taken(client)
        if lost:
            held.roll_back(POSITION, "bad", {})
            client.puts.clear()
        else:
            leased(ada())(client.endpoint)
        held.abandon({"a": "1"})
        assert client.puts == []


def test_a_workspace_that_is_gone_adds_no_fault_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Why the run ended matters more, and the lease expires by itself."""
    client: Any = Shared()
    held = taken(client)

    def lost(name: str) -> None:
        raise ServiceRequestError("no way")

    monkeypatch.setattr(client, "get", lost)
    held.abandon({})
    assert client.puts == []
