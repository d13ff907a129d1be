"""Counts and latencies of scoring, by endpoint, deployment and minute.

Latencies go into logarithmic buckets, the scheme of DDSketch (Masson, Rim and Lee, "DDSketch: a fast and
fully mergeable quantile sketch", 2019): bucket i holds (g^(i-1), g^i] with g = (1 + a) / (1 - a), so that
every quantile is within the relative error a of the true one, whatever the distribution. Unlike a sample or a
capped list it needs no choice of what to drop, costs a logarithm and an increment, and minutes and
deployments merge without loss. From 1 microsecond to the service's longest request of 180 s there are at most
951 buckets.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

RELATIVE_ERROR = 0.01
HISTORY_MINUTES = 24 * 60
PERCENTILES = (50, 90, 95, 99)

_GAMMA = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
_LOG_GAMMA = math.log(_GAMMA)
_SHORTEST_MS = 1e-3
_LONGEST_MS = 1e6


class Latencies:
    """A mergeable sketch of latencies in milliseconds."""

    __slots__ = ("buckets", "count", "largest", "smallest", "total")

    def __init__(self) -> None:
        self.buckets: dict[int, int] = {}
        self.count = 0
        self.total = 0.0
        self.smallest = math.inf
        self.largest = 0.0

    def add(self, milliseconds: float) -> None:
        """Count one latency; values outside 1 µs to 1,000 s are held at the nearest end."""
        value = min(max(milliseconds, _SHORTEST_MS), _LONGEST_MS)
        index = math.ceil(math.log(value) / _LOG_GAMMA)
        self.buckets[index] = self.buckets.get(index, 0) + 1
        self.count += 1
        self.total += value
        self.smallest = min(self.smallest, value)
        self.largest = max(self.largest, value)

    def merge(self, other: Latencies) -> None:
        """Add all that another sketch has counted."""
        for index, count in other.buckets.items():
            self.buckets[index] = self.buckets.get(index, 0) + count
        self.count += other.count
        self.total += other.total
        self.smallest = min(self.smallest, other.smallest)
        self.largest = max(self.largest, other.largest)

    def percentile(self, percent: float) -> float | None:
        """Give the nearest-rank percentile within `RELATIVE_ERROR`, or None if nothing was counted."""
        if not self.count:
            return None
        rank = max(1, math.ceil(percent / 100 * self.count))
        seen = 0
        for index in sorted(self.buckets):
            seen += self.buckets[index]
            if seen >= rank:
                middle = 2 * _GAMMA**index / (_GAMMA + 1)
                return min(max(middle, self.smallest), self.largest)
        return self.largest

    def to_dict(self) -> dict[str, float | int | None]:
        """Give count, sum, min, max and percentiles, in milliseconds."""
        figures: dict[str, float | int | None] = {
            "count": self.count,
            "sum": self.total,
            "min": self.smallest if self.count else None,
            "max": self.largest if self.count else None,
        }
        return figures | {f"p{percent}": self.percentile(percent) for percent in PERCENTILES}


@dataclass
class Cell:
    """What happened at one deployment: requests by (status, container's status or None), and latencies."""

    requests: Counter[tuple[int, int | None]] = field(default_factory=Counter)
    latencies: Latencies = field(default_factory=Latencies)

    def merge(self, other: Cell) -> None:
        """Add all that another cell has counted."""
        self.requests.update(other.requests)
        self.latencies.merge(other.latencies)

    def to_dict(self) -> dict[str, Any]:
        """Give the cell in the terms of Azure Monitor's dimensions statusCode and modelStatusCode."""
        return {
            "requests": [
                {"statusCode": status, "modelStatusCode": model_status, "count": count}
                for (status, model_status), count in sorted(
                    self.requests.items(), key=lambda item: (item[0][0], item[0][1] or 0)
                )
            ],
            "latencyMs": self.latencies.to_dict(),
        }


class Telemetry:
    """The last 24 hours of cells. Requests that reached no deployment (401, 404) count under the name ''."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._minutes: dict[int, dict[tuple[str, str], Cell]] = {}

    def record(self, endpoint: str, deployment: str, status: int, model_status: int | None, seconds: float) -> None:
        """Count one answered request in the present minute."""
        minute = int(self._clock() // 60)
        cells = self._minutes.get(minute)
        if cells is None:
            cells = self._minutes[minute] = {}
            self._forget(minute)
        cell = cells.get((endpoint, deployment))
        if cell is None:
            cell = cells[endpoint, deployment] = Cell()
        cell.requests[status, model_status] += 1
        cell.latencies.add(seconds * 1000)

    def totals(self, endpoint: str) -> dict[str, dict[str, Any]]:
        """Give what is held of an endpoint, all minutes of a deployment together."""
        merged: dict[str, Cell] = {}
        for _, (_, deployment), cell in self.cells(endpoint):
            merged.setdefault(deployment, Cell()).merge(cell)
        return {deployment: cell.to_dict() for deployment, cell in sorted(merged.items())}

    def cells(
        self, endpoint: str | None = None, since: float = -math.inf, until: float = math.inf
    ) -> Iterable[tuple[int, tuple[str, str], Cell]]:
        """Give (minute, (endpoint, deployment), cell) of the minutes that begin in [since, until), oldest first.

        Times and minutes are epoch seconds; None stands for every endpoint.
        """
        for minute in sorted(self._minutes):
            if since <= minute * 60 < until:
                for key, cell in sorted(self._minutes[minute].items()):
                    if endpoint is None or key[0] == endpoint:
                        yield minute * 60, key, cell

    def _forget(self, newest: int) -> None:
        # A clock set back leaves minutes in the future: those go too, once the history is full.
        for minute in [minute for minute in self._minutes if minute <= newest - HISTORY_MINUTES]:
            del self._minutes[minute]
        while len(self._minutes) > HISTORY_MINUTES:
            del self._minutes[max(self._minutes)]
