"""Live requests as evidence: Azure Monitor's counts by deployment and status, minute by minute.

A minute is read once it is whole and older than the metrics' lag, so that no late count is missed. Our own probes are
among the requests that are counted there; they were judged already, so they are taken off, a little more eagerly than
their clock says: a request is never evidence twice. 429 is load and a 4xx is the caller's fault: neither is counted.
A 424 is, whatever the container said: bad requests of callers strike both deployments alike, and that the new one
refuses what the old one takes is what a rollout must see.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping

from ops.evidence import Counts
from ops.rollout.position import Position
from ops.rollout.probes import ERROR, Block, Sent, is_bad

MINUTE = 60
# Clocks of a caller and of the service differ; what was sent so long after a minute may be counted in it.
_SLACK_SECONDS = 5.0
_NONE = Counts(0, 0)

ByStatus = Mapping[tuple[str, int], int]  # requests by (deployment, status code)
Query = Callable[[float, float], ByStatus]  # of the minutes from one epoch second up to another


def counts(seen: ByStatus, slot: str) -> Counts:
    """Return the good and bad requests of a deployment; others say nothing about it. Pure."""
    good = sum(number for (name, status), number in seen.items() if name == slot and status == 200)
    bad = sum(number for (name, status), number in seen.items() if name == slot and is_bad(status))
    return Counts(good + bad, bad)


class Live:
    """Reads each whole minute once, and gives what our probes did not already show."""

    def __init__(self, query: Query, sent: Sent, lag_seconds: float, since: float) -> None:
        """Begin with the first whole minute after `since` (epoch seconds)."""
        self._query = query
        self._sent = sent
        self._lag = lag_seconds
        self._next = math.ceil(since / MINUTE) * MINUTE
        self._first = self._next
        self._seen: dict[str, Counts] = {}
        self._given: dict[str, Counts] = {}

    def blocks(self, position: Position, moment: float) -> Iterator[Block]:
        """Yield a block for each minute that has become old enough by `moment`; none when there is nothing new."""
        while position.old is not None and self._next + MINUTE + self._lag <= moment:
            minute = self._next
            # Before the question: a minute that cannot be had is left out, not asked for for ever.
            self._next += MINUTE
            found = self._query(minute, minute + MINUTE)
            old, new = (self._fresh(slot, counts(found, slot)) for slot in (position.old, position.new))
            if old.n or new.n:
                yield {ERROR: (old, new)}

    def _fresh(self, slot: str, minute: Counts) -> Counts:
        """Return the requests up to the last minute that are neither ours nor given before.

        It works on totals, not on minutes: a probe that was counted in another minute than we think is then off by a
        minute, not twice there.
        """
        seen = self._seen[slot] = self._seen.get(slot, _NONE) + minute
        ours_good, ours_bad = self._sent.until(slot, self._next + _SLACK_SECONDS)
        # These were in no minute that is read.
        early_good, early_bad = self._sent.until(slot, self._first - _SLACK_SECONDS)
        given = self._given.get(slot, _NONE)
        bad = max(seen.bad - (ours_bad - early_bad) - given.bad, 0)
        good = max((seen.n - seen.bad) - (ours_good - early_good) - (given.n - given.bad), 0)
        fresh = Counts(good + bad, bad)
        self._given[slot] = given + fresh
        return fresh
