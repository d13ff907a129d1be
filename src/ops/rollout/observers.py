"""Who is told how a rollout goes: a terminal or a log, and the record for the report."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
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

    def begin(self, position: Position, ledger: Ledger) -> None:
        """A run begins, or takes up an earlier one."""
        for observer in self._observers:
            observer.begin(position, ledger)

    def step(self, position: Position, split: traffic.Split) -> None:
        """The traffic was set, and read back."""
        for observer in self._observers:
            observer.step(position, split)

    def seen(self, position: Position, ledger: Ledger, verdict: Verdict) -> None:
        """Some evidence came."""
        for observer in self._observers:
            observer.seen(position, ledger, verdict)

    def end(self, position: Position, ledger: Ledger, outcome: str) -> None:
        """The run is over."""
        for observer in self._observers:
            observer.end(position, ledger, outcome)


@contextmanager
def on_console(record: Record, *further: Observer) -> Iterator[Observers]:
    """Give what tells the console, in a table or in lines, and `record` and `further` too."""
    if not console.watched():
        yield Observers(Lines(), record, *further)
        return
    with closing(Screen(record)) as screen:
        yield Observers(screen, record, *further)
