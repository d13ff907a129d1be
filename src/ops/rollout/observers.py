"""Who is told how a rollout goes: a terminal or a log, and the record for the report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ops import console, traffic
from ops.evidence import Verdict
from ops.rollout.ledger import Ledger
from ops.rollout.lines import Lines
from ops.rollout.position import Position
from ops.rollout.record import Record
from ops.rollout.screen import Screen

if TYPE_CHECKING:
    from ops.rollout.machine import Watch


class Together:
    """Tells several watches the same."""

    def __init__(self, *watches: Watch) -> None:
        """In this order."""
        self._watches = watches

    def begin(self, now: Position, kept: Ledger) -> None:
        """A run begins, or takes up an earlier one."""
        for watch in self._watches:
            watch.begin(now, kept)

    def step(self, now: Position, split: traffic.Split) -> None:
        """The traffic was set, and read back."""
        for watch in self._watches:
            watch.step(now, split)

    def seen(self, now: Position, kept: Ledger, verdict: Verdict) -> None:
        """Some evidence came."""
        for watch in self._watches:
            watch.seen(now, kept, verdict)

    def end(self, now: Position, kept: Ledger, outcome: str) -> None:
        """The run is over."""
        for watch in self._watches:
            watch.end(now, kept, outcome)


def for_people(record: Record, also: Watch | None = None) -> tuple[Watch, Screen | None]:
    """Return the watch for where the output goes, a table or lines, which tells `record` and `also` too."""
    screen = Screen(record) if console.watched() else None
    others: tuple[Watch, ...] = (record,) if also is None else (record, also)
    return Together(screen or Lines(), *others), screen
