"""The time-outs of many requests that all have the same one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable


class Deadlines:
    """Calls each callback `seconds` after it was added, unless it is discarded before.

    As all wait equally long, the oldest is always the next, and one timer of the event loop does for all. A timer for
    each request would take 6 % of the router's processor time.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        # The oldest first, each with its time on the event loop's clock, which is time.monotonic.
        self._due: dict[Callable[[], None], float] = {}
        self._armed = False

    def add(self, late: Callable[[], None]) -> None:
        """Call `late`, which is not there yet, when its time has come."""
        due = self._due[late] = time.monotonic() + self.seconds
        if not self._armed:
            self._arm(due)

    def discard(self, late: Callable[[], None]) -> None:
        """Do not call it."""
        self._due.pop(late, None)

    def _arm(self, due: float) -> None:
        self._armed = True
        asyncio.get_running_loop().call_at(due, self._look)

    def _look(self) -> None:
        self._armed = False
        now = time.monotonic()
        for late, due in self._due.items():
            if due > now:
                self._arm(due)
                break
            # Each in a turn of its own: one that raises is no matter of the others.
            asyncio.get_running_loop().call_soon(self._call, late)

    def _call(self, late: Callable[[], None]) -> None:
        # An earlier one may have discarded it.
        if self._due.pop(late, None) is not None:
            late()
