"""A clock that nobody sets: for what must end in time, whatever is done to the machine's clock meanwhile."""

from __future__ import annotations

import time

# It goes on while the machine sleeps; where the system lacks it, the monotonic clock does so too.
_EVEN = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class SteadyClock:
    """Epoch seconds: the machine's clock when this was made, and what has passed since."""

    def __init__(self) -> None:
        self._start = time.time() - time.clock_gettime(_EVEN)

    def __call__(self) -> float:
        return self._start + time.clock_gettime(_EVEN)
