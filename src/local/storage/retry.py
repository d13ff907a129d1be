"""A write that nothing else makes up for, such as how a piece of work has ended, on a disk that may be full."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
from collections.abc import Callable

_LOG = logging.getLogger("local")
# Somebody empties a disk that is full; past that time, the next start ends the work.
_SECONDS = 600.0
_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 10.0


async def retrying(write: Callable[[], object], what: str, closing: asyncio.Event | None = None) -> None:
    """Write, in a thread, again and again until it is done; what could not be is said in the log.

    It gives up after ten minutes, and after the first fault once `closing` is set.
    """
    over = closing or asyncio.Event()
    loop = asyncio.get_running_loop()
    deadline, pause = loop.time() + _SECONDS, _FIRST_PAUSE
    while True:
        try:
            await asyncio.to_thread(write)
            return
        except (sqlite3.Error, OSError) as error:
            _LOG.error("%s cannot be written: %s", what, error)
        if over.is_set() or loop.time() > deadline:
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), pause)
        pause = min(2 * pause, _LONGEST_PAUSE)
