"""Two writers of one endpoint's traffic: whose split stays, when nothing compares and swaps."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError
from endpoint import Client, Resource

from ops import traffic, wait
from ops.errors import Moved, Timeout

TEN = traffic.Split({"blue": 90, "green": 10}, {})
HALF = traffic.Split({"blue": 50, "green": 50}, {})
BACK = traffic.Split({"blue": 100}, {})


class Shared(Client):
    """An endpoint that another writer changes too, just after the n-th read or write of this one."""

    def __init__(self, split: traffic.Split, after: Callable[[int, str], traffic.Split | None]) -> None:
        super().__init__(Resource(traffic=dict(split.live)))
        self.calls: list[str] = []
        self._after = after

    def done(self, verb: str) -> None:
        self.calls.append(verb)
        other = self._after(len(self.calls), verb)
        if other is not None:
            self.endpoint.traffic = dict(other.live)


def nobody(call: int, verb: str) -> None:
    """There is no other writer."""


def over(split: traffic.Split) -> traffic.Guard:
    """Return the guard of a writer that replaces this split and no other."""

    def guard(endpoint: Any) -> None:
        if traffic.split_of(endpoint) != split:
            raise Moved(f"is {traffic.split_of(endpoint)}")

    return guard


def write(client: Any, wanted: traffic.Split, **options: Any) -> traffic.Split:
    return traffic.write(client, "flights", wanted.live, **{"deadline_seconds": 2, **options})


def test_row_24_a_put_that_lands_after_a_rollback_is_written_over() -> None:
    """The other writer read before the rollback and wrote after it: the rollback is written once more, and stays."""
    client = Shared(TEN, lambda call, verb: TEN if verb == "put" and call < 3 else None)
    assert write(client, BACK) == BACK
    assert client.calls.count("put") == 2
    assert client.endpoint.traffic == BACK.live


def test_row_24_a_rollback_stays() -> None:
    """A put that lands even after the read-back is seen too, when the split has to stay for a while."""
    client = Shared(TEN, lambda call, verb: TEN if call == 3 else None)
    assert write(client, BACK, stays_seconds=0.5) == BACK
    assert client.endpoint.traffic == BACK.live


class Slow(Client):
    """An endpoint as recorded on Azure: while an update is under way it shows what was before, and takes no other.

    The split of another writer, who read before ours was there, is accepted as soon as ours has ended.
    """

    def __init__(self, other: traffic.Split) -> None:
        super().__init__(Resource(traffic=dict(TEN.live)))
        self.reads_left = 0
        self._others = [other]
        self._coming: Resource | None = None

    def get(self, name: str) -> Resource:
        if self._coming is not None:
            self.reads_left -= 1
            if self.reads_left <= 0:
                self.endpoint, self._coming = self._coming, None
        return super().get(name)

    def begin_create_or_update(self, given: Resource) -> Client:
        if self._coming is not None:
            fault = HttpResponseError("another operation is running")
            fault.status_code = 409
            raise fault
        return super().begin_create_or_update(given)

    def done(self, verb: str) -> None:
        if verb == "put" and self._others:
            self._coming = replace(self.endpoint, traffic=dict(self._others.pop().live))
            self.endpoint.provisioning_state = "Updating"
            self.reads_left = 6


@pytest.mark.parametrize("stays", [0.0, 0.3])
def test_row_24_a_split_is_not_there_while_an_update_is_under_way(stays: float) -> None:
    """What another writer's update brings is seen when it ends, and written over; before that nothing is a success."""
    client: Any = Slow(TEN)
    assert write(client, BACK, stays_seconds=stays, deadline_seconds=10) == BACK
    assert [put.traffic for put in client.puts] == [BACK.live, BACK.live]
    assert client.endpoint.traffic == BACK.live
    assert client.endpoint.provisioning_state == "Succeeded"


def test_row_22_a_step_waits_for_an_update_that_is_under_way() -> None:
    """And gives way when that was a person's: nothing is written twice."""
    client: Any = Slow(BACK)
    with pytest.raises(Moved, match=r"last seen: blue 100 %$|last seen: blue 100 %\)"):
        write(client, HALF, guard=over(TEN), deadline_seconds=1.5)
    assert len(client.puts) == 1
    assert client.endpoint.traffic == BACK.live


def test_an_equal_split_is_left_alone() -> None:
    """It can be run twice."""
    client = Shared(BACK, nobody)
    assert write(client, BACK) == BACK
    assert "put" not in client.calls


def test_a_split_that_never_shows_is_no_success() -> None:
    """The deadline ends it, and the message says what is there instead."""
    client = Shared(TEN, lambda call, verb: TEN)
    with pytest.raises(Timeout, match=r"wanted blue 100 %.*last seen: blue 90 %, green 10 %"):
        write(client, BACK, deadline_seconds=0.5)


def test_row_22_a_step_gives_way_to_a_split_that_was_set_by_hand() -> None:
    """The step replaces the split before it and no other: nothing is written."""
    client = Shared(BACK, nobody)
    with pytest.raises(Moved, match="is blue 100 %"):
        write(client, HALF, guard=over(TEN))
    assert "put" not in client.calls


def test_row_22_a_step_that_is_overwritten_is_not_written_again() -> None:
    """A person wrote just after it: the step gives way."""
    client = Shared(TEN, lambda call, verb: BACK if verb == "put" else None)
    with pytest.raises(Moved):
        write(client, HALF, guard=over(TEN), deadline_seconds=0.5)
    assert client.calls.count("put") == 1
    assert client.endpoint.traffic == BACK.live


def test_a_checkpoint_does_not_put_an_old_split_back() -> None:
    """Tags go with the split they were meant for, or not at all."""
    client: Any = Shared(BACK, nobody)
    with pytest.raises(Moved):
        traffic.tag(client, "flights", {"evidence": "1"}, guard=over(TEN), deadline_seconds=1)
    assert client.endpoint == Resource(BACK.live)
    assert traffic.tag(client, "flights", {"evidence": "1"}, guard=over(BACK), deadline_seconds=1) == BACK
    assert client.endpoint == Resource(BACK.live, {"evidence": "1"})


def test_tags_of_others_stay() -> None:
    """Only those that are given are changed, and they go with the split in one write."""
    client = Shared(TEN, nobody)
    client.endpoint.tags = {"team": "x", "a": "0"}
    assert write(client, HALF, tags={"a": "1"}) == HALF
    assert client.endpoint == Resource(HALF.live, {"team": "x", "a": "1"})
    assert client.calls.count("put") == 1


@pytest.mark.parametrize("given", [{}, {"a": "1"}])
def test_an_endpoint_without_any_tags_is_written(given: dict[str, str]) -> None:
    """The SDK says None for none."""
    client: Any = Shared(TEN, nobody)
    client.endpoint.tags = None
    assert write(client, HALF, tags=given) == HALF
    assert client.endpoint == Resource(HALF.live, given)
    client.endpoint.tags = None
    assert traffic.tag(client, "flights", given, deadline_seconds=1) == HALF
    assert (client.endpoint.tags or {}) == given


def test_an_equal_split_without_any_tags_is_left_alone() -> None:
    """None is as good as none of them."""
    client: Any = Shared(BACK, nobody)
    client.endpoint.tags = None
    assert write(client, BACK) == BACK
    assert traffic.tag(client, "flights", {}, deadline_seconds=1) == BACK
    assert "put" not in client.calls


def test_row_24_a_split_that_was_gone_is_watched_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wanted, another, wanted again: it stays for the whole time from then on, not from the first look."""
    looks = itertools.count()
    monkeypatch.setattr(wait, "clock", lambda: float(next(looks)))  # a second between two looks that see it
    monkeypatch.setattr(traffic, "_READ_BACK_POLL_SECONDS", 0.001)
    client = Shared(TEN, lambda call, verb: {4: TEN, 5: BACK}.get(call))
    assert write(client, BACK, guard=over(TEN), stays_seconds=2) == BACK
    assert client.calls == ["get", "put", "get", *["get"] * 5]
