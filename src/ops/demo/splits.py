"""The split that was set, step by step, beside the one that clients saw."""

from __future__ import annotations

import time
from typing import Any

from ops import replay, traffic
from ops.evidence import Verdict
from ops.rollout.ledger import Ledger
from ops.rollout.position import Position


class Splits:
    """An observer that compares, step by step, the split that was set with the one that the clients saw.

    Of a step it counts what came until it was judged last: a new split is at work before its write is read back.
    """

    def __init__(self, clients: replay.Replay) -> None:
        """Look at the answers of `clients`."""
        self._clients = clients
        self._set: dict[str, int] = {}
        self._since = self._until = 0.0
        self.steps: list[dict[str, Any]] = []

    def begin(self, position: Position, ledger: Ledger) -> None:
        """Nothing to compare yet."""

    def step(self, position: Position, split: traffic.Split) -> None:
        """The split changed: a step ended, another begins."""
        self._close()
        self._set, self._since = dict(split.live), time.monotonic()
        self._until = self._since

    def seen(self, position: Position, ledger: Ledger, verdict: Verdict) -> None:
        """The split is still as it was set."""
        self._until = time.monotonic()

    def end(self, position: Position, ledger: Ledger, outcome: str) -> None:
        """The last step ended."""
        self._close()

    def _close(self) -> None:
        if self._set:
            seen = self._clients.between(self._since, self._until)
            self.steps.append({"set": self._set, "observed": replay.shares(seen), "requests": len(seen)})
        self._set = {}
