"""Waiting: a condition, a deadline, and the failures that end it early.

The only place that sleeps; the SDK's own operations are waited for by their pollers, the demo's clients by an event.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from ops.errors import Timeout

T = TypeVar("T")

BUSY = frozenset({409, 429})  # another operation is running; too many calls
BROKEN = frozenset({408, 500, 502, 503, 504})  # the service has trouble of its own
# How an operation may end that was accepted: Azure gave way to another one, or had trouble of its own. What asks for
# its end is answered with 200; Microsoft's page on failing online endpoints says of the first to try again.
GIVEN_UP = frozenset({"OperationCanceled", "InternalServerError", "Conflict"})
# Names of azure-core errors: the call or its answer did not get through, or broke off.
LOST = ("ServiceRequest", "ServiceResponse", "IncompleteRead")
_FIRST_RETRY_SECONDS = 0.2
_LONGEST_RETRY_SECONDS = 15.0
# Another operation of the resource is over within some 20 s, and a rollback may be what waits for it.
_LONGEST_CONFLICT_SECONDS = 2.0


def until(
    observe: Callable[[], T],
    done: Callable[[T], bool],
    *,
    what: str,
    deadline_seconds: float,
    poll_seconds: float,
    changed: Callable[[T, float], None] = lambda seen, elapsed: None,
) -> T:
    """Observe every `poll_seconds` until `done`, and return what was seen last.

    `changed` is told of each new observation, with the seconds elapsed. `done` may raise to end the wait early.
    Raises Timeout after `deadline_seconds`; the observation is made at least once, and once more at the end.
    """
    start = time.monotonic()
    last: T | None = None
    while True:
        seen = observe()
        elapsed = time.monotonic() - start
        if seen != last:
            changed(seen, elapsed)
        if done(seen):
            return seen
        if elapsed >= deadline_seconds:
            raise Timeout(f"{what}: not done after {duration(elapsed)} (last seen: {seen}); it may still end by itself")
        last = seen
        time.sleep(min(poll_seconds, max(deadline_seconds - elapsed, 0.01)))


def retrying(call: Callable[[], T], *, what: str, deadline_seconds: float) -> T:
    """Make `call` until the workspace can answer it, with growing pauses.

    Busy (409, 429), broken (5xx) and lost answers are tried again, and operations that Azure gave up: a call must
    therefore look first, and find its own work done. Raises what the call raised when that is another fault, and
    Timeout after `deadline_seconds`.
    """
    start = time.monotonic()
    pause = _FIRST_RETRY_SECONDS
    while True:
        try:
            return call()
        except Exception as fault:
            if not _passing(fault):
                raise
            if getattr(fault, "status_code", None) == 409:
                pause = min(pause, _LONGEST_CONFLICT_SECONDS)
            if time.monotonic() - start + pause > deadline_seconds:
                raise Timeout(f"{what}: still no answer after {duration(time.monotonic() - start)}: {fault}") from fault
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_RETRY_SECONDS)


def _passing(fault: Exception) -> bool:
    # Duck-typed on purpose: importing azure.core here would cost every task a second.
    status = getattr(fault, "status_code", None)
    given_up = status == 200 and getattr(getattr(fault, "error", None), "code", None) in GIVEN_UP
    return given_up or status in BUSY or status in BROKEN or type(fault).__name__.startswith(LOST)


def rest(seconds: float) -> None:
    """Let `seconds` pass: the pause between two probes, in which there is nothing to observe."""
    time.sleep(seconds)


def clock() -> float:
    """Return seconds that only go forward: for what has passed, never for what time it is."""
    return time.monotonic()


def duration(seconds: float) -> str:
    """Return seconds as people say them: 4.2 s, 3 min 05 s, 1 h 12 min.

    >>> duration(4.21), duration(185), duration(4320)
    ('4.2 s', '3 min 05 s', '1 h 12 min')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest_ = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest_:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"
