"""The time-outs of many requests that all have the same one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable


class Deadlines:
    """Calls, `seconds` after it was added, what has not been discarded before.

    As all wait equally long, the oldest is always the next, and one timer of the event loop does for all. A timer for
    each request would take 6 % of the router's processor time.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        # The oldest first, each with its time on the monotonic clock.
        self._due: dict[Callable[[], None], float] = {}
        self._armed = False

    def add(self, late: Callable[[], None]) -> None:
        """Call `late` when its time has come."""
        self._due[late] = time.monotonic() + self._seconds
        if not self._armed:
            self._arm(self._seconds)

    def discard(self, late: Callable[[], None]) -> None:
        """Do not call it."""
        self._due.pop(late, None)

    def _arm(self, seconds: float) -> None:
        self._armed = True
        asyncio.get_running_loop().call_later(seconds, self._look)

    def _look(self) -> None:
        self._armed = False
        now = time.monotonic()
        late = []
        for each, due in self._due.items():
            if due > now:
                self._arm(due - now)
                break
            late.append(each)
        for each in late:
            # An earlier one may have discarded it.
            if self._due.pop(each, None) is not None:
                each()
