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
    from ops.rollout.machine import Observer


class Observers:
    """Tells several observers the same."""

    def __init__(self, *observers: Observer) -> None:
        """In this order."""
        self._observers = observers

    def begin(self, now: Position, kept: Ledger) -> None:
        """A run begins, or takes up an earlier one."""
        for observer in self._observers:
            observer.begin(now, kept)

    def step(self, now: Position, split: traffic.Split) -> None:
        """The traffic was set, and read back."""
        for observer in self._observers:
            observer.step(now, split)

    def seen(self, now: Position, kept: Ledger, verdict: Verdict) -> None:
        """Some evidence came."""
        for observer in self._observers:
            observer.seen(now, kept, verdict)

    def end(self, now: Position, kept: Ledger, outcome: str) -> None:
        """The run is over."""
        for observer in self._observers:
            observer.end(now, kept, outcome)


def on_console(record: Record, further: Observer | None = None) -> tuple[Observer, Screen | None]:
    """Return the observer for where the output goes, a table or lines, which tells `record` and `further` too."""
    screen = Screen(record) if console.watched() else None
    others: tuple[Observer, ...] = (record,) if further is None else (record, further)
    return Observers(screen or Lines(), *others), screen
