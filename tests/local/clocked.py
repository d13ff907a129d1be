"""A server of the local workspace whose wall clock is off by what a file says: clocked.py OFFSET FOLDER.

A script of its own. The product has no door for this: the process that runs it has another `time.time` and another
`datetime` before the first module of it is imported, as if someone had set the machine's clock.
"""

from __future__ import annotations

import datetime
import sys
import time
from pathlib import Path

OFFSET = Path(sys.argv[1])
_time, _datetime = time.time, datetime.datetime


def offset() -> float:
    """Return the seconds by which the clock is off now."""
    return float(OFFSET.read_text())


class Shifted(_datetime):
    """A datetime whose now is off."""

    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> Shifted:
        return cls.fromtimestamp(_time() + offset(), tz)


if __name__ == "__main__":
    time.time = lambda: _time() + offset()
    datetime.datetime = Shifted  # type: ignore[misc]
    from local.server import run

    run(Path(sys.argv[2]))
