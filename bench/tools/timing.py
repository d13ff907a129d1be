"""Times of functions that are called in turn, so that a busy minute of the machine falls on all of them alike."""

from __future__ import annotations

import operator
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

Clock = Callable[[], float]


def rotated(names: Iterable[str], turn: int) -> list[str]:
    """Return the names in the order of a turn.

    Another one begins each time: what recurs on the machine must not always meet the same one.
    """
    order = list(names)
    first = turn % len(order)
    return order[first:] + order[:first]


def series(
    actions: Mapping[str, Callable[[], object]], rounds: int, calls: int = 1, clock: Clock = time.perf_counter
) -> dict[str, list[float]]:
    """Return, round by round, the seconds that one of `calls` calls took, for each action.

    What one thread of this process does is best measured by `time.process_time`, which other work of the machine
    does not lengthen.
    """
    seen: dict[str, list[float]] = {name: [] for name in actions}
    for turn in range(rounds):
        for name in rotated(actions, turn):
            started = clock()
            for _ in range(calls):
                actions[name]()
            seen[name].append((clock() - started) / calls)
    return seen


def medians(
    actions: Mapping[str, Callable[[], object]], rounds: int, calls: int = 1, clock: Clock = time.perf_counter
) -> dict[str, float]:
    """Return the medians of the series: for what has no reference in the same round."""
    return {name: statistics.median(times) for name, times in series(actions, rounds, calls, clock).items()}


def middle(
    ours: Sequence[float], theirs: Sequence[float], apart: Callable[[float, float], float] = operator.truediv
) -> tuple[float, float]:
    """Return what both came to in the round that stands in the middle by their ratio, or by how else they are `apart`.

    Both of a round met the same machine. A median of each would set a round of one beside another round of the other.
    """
    pairs = sorted(zip(ours, theirs, strict=True), key=lambda pair: apart(*pair))
    return pairs[(len(pairs) - 1) // 2]
