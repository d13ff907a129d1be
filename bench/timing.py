"""Times of functions that are called in turn, so that a busy minute of the machine falls on all of them alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping


def medians(actions: Mapping[str, Callable[[], object]], rounds: int, calls: int = 1) -> dict[str, float]:
    """Return the median over `rounds` of the seconds that one of `calls` calls took, for each action."""
    seen: dict[str, list[float]] = {name: [] for name in actions}
    for _ in range(rounds):
        for name, action in actions.items():
            started = time.perf_counter()
            for _ in range(calls):
                action()
            seen[name].append((time.perf_counter() - started) / calls)
    return {name: statistics.median(times) for name, times in seen.items()}
