"""Live figures of each deployment: requests, faults and latencies of every second, from the router's minutes.

The router counts by the minute, as Azure Monitor shows it; people watch by the second. So the minutes are looked at
each second, and what has been added since the last look is a second's worth. Sketches subtract as they merge.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from local.routing.telemetry import Cell, Latencies, Telemetry

HISTORY_SECONDS = 15 * 60
_LOOK_BACK_SECONDS = 120
_BAD = frozenset({408, 424})

Key = tuple[str, str]


@dataclass(frozen=True)
class Sample:
    """What a deployment answered between two looks; latencies in milliseconds, None without an answer."""

    rate: float  # requests a second
    faults: float  # of them 5xx, 424 or 408
    p50: float | None
    p95: float | None
    p99: float | None

    def to_json(self) -> list[float | None]:
        return [None if value is None else round(value, 3) for value in (self.rate, self.faults, *self._latencies())]

    def _latencies(self) -> tuple[float | None, ...]:
        return self.p50, self.p95, self.p99


class LiveStats:
    """The samples of the last `HISTORY_SECONDS`, by the time of the look in epoch seconds."""

    def __init__(self, telemetry: Telemetry, clock: Callable[[], float] = time.time) -> None:
        """Begin with what is counted now as seen."""
        self._telemetry = telemetry
        self._clock = clock
        self.samples: deque[tuple[float, dict[Key, Sample]]] = deque(maxlen=HISTORY_SECONDS)
        self._last = clock()
        self._seen: dict[tuple[int, Key], Cell] = {}
        self._since()

    def sample(self) -> tuple[float, dict[Key, Sample]]:
        """Take a second's worth, keep it and return it."""
        now = self._clock()
        seconds = max(now - self._last, 1e-3)
        self._last = now
        taken = now, {key: _sample(cell, seconds) for key, cell in self._since().items()}
        self.samples.append(taken)
        return taken

    def answers(self, endpoints: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
        """Return, by endpoint, how often each status was answered in the last `HISTORY_SECONDS`, to whole minutes.

        `status` is what the client got, `model` what the container said, None without a word of it; `of` counts by
        deployment. Requests that reached none are left out, as on the charts.
        """
        found: dict[str, dict[tuple[int, int | None], Counter[str]]] = {name: {} for name in endpoints}
        since = self._clock() - HISTORY_SECONDS
        for _, (endpoint, deployment), cell in self._telemetry.cells(since=since):
            if deployment and endpoint in found:
                for key, count in cell.requests.items():
                    found[endpoint].setdefault(key, Counter())[deployment] += count
        return {
            name: [_answered(*each) for each in sorted(seen.items(), key=_by_status)] for name, seen in found.items()
        }

    def _since(self) -> dict[Key, Cell]:
        """Return what has been counted since the last call, by endpoint and deployment."""
        added: dict[Key, Cell] = {}
        present: dict[tuple[int, Key], Cell] = {}
        for minute, key, cell in self._telemetry.cells(since=self._clock() - _LOOK_BACK_SECONDS):
            before = self._seen.get((minute, key), Cell())
            if cell.latencies.count == before.latencies.count:
                present[minute, key] = before
                continue
            copy = Cell()
            copy.merge(cell)
            present[minute, key] = copy
            added.setdefault(key, Cell()).merge(_difference(copy, before))
        self._seen = present
        return added


def _by_status(each: tuple[tuple[int, int | None], Any]) -> tuple[int, int]:
    status, model = each[0]
    return status, model or 0


def _answered(statuses: tuple[int, int | None], of: Counter[str]) -> dict[str, Any]:
    return {"status": statuses[0], "model": statuses[1], "of": dict(of)}


def _difference(now: Cell, before: Cell) -> Cell:
    """Return what was counted since `before`; its smallest and largest latency are those of `now`, which are bounds."""
    latencies = Latencies()
    latencies.buckets = {
        index: more
        for index, count in now.latencies.buckets.items()
        if (more := count - before.latencies.buckets.get(index, 0))
    }
    latencies.count = now.latencies.count - before.latencies.count
    latencies.total = now.latencies.total - before.latencies.total
    latencies.smallest, latencies.largest = now.latencies.smallest, now.latencies.largest
    return Cell(now.requests - before.requests, latencies)


def _sample(cell: Cell, seconds: float) -> Sample:
    faults = sum(count for (status, _), count in cell.requests.items() if status >= 500 or status in _BAD)
    percentiles = (cell.latencies.percentile(percent) for percent in (50, 95, 99))
    return Sample(cell.latencies.count / seconds, faults / seconds, *percentiles)


def history(stats: LiveStats, endpoint: str) -> list[dict[str, Any]]:
    """Return an endpoint's samples as the page draws them, oldest first."""
    return [shown(at, samples, endpoint) for at, samples in stats.samples]


def shown(at: float, samples: dict[Key, Sample], endpoint: str) -> dict[str, Any]:
    """Return one look at an endpoint: the time, and the numbers of each deployment that answered."""
    found = {
        deployment: each.to_json() for (name, deployment), each in samples.items() if name == endpoint and deployment
    }
    return {"t": round(at, 2), "of": found}
