"""Times of functions that are called in turn, so that a busy minute of the machine falls on all of them alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping


def medians(
    actions: Mapping[str, Callable[[], object]],
    rounds: int,
    calls: int = 1,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """Return the median over `rounds` of the seconds that one of `calls` calls took, for each action.

    What one thread of this process does is best measured by `time.process_time`, which other work of the machine
    does not lengthen.
    """
    seen: dict[str, list[float]] = {name: [] for name in actions}
    for turn in range(rounds):
        # Another one begins each time: what recurs on the machine must not always meet the same one.
        names = list(actions)[turn % len(actions) :] + list(actions)[: turn % len(actions)]
        for name in names:
            started = clock()
            for _ in range(calls):
                actions[name]()
            seen[name].append((clock() - started) / calls)
    return {name: statistics.median(times) for name, times in seen.items()}
