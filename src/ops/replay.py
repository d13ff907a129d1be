"""Replay: clients that send the live rows to an endpoint, as routed, and keep count of every answer."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from ops import csv_rows, scoring

NO_ANSWER = 0  # in place of a status, when none came


@dataclass(frozen=True)
class Answer:
    """One answer: when it came (monotonic seconds), from which deployment, its status, how long it took."""

    at: float
    slot: str
    status: int
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether the client got what it asked for."""
        return self.status == 200


@dataclass
class Replay:
    """Some clients, each sending one row after another at its own pace until the `with` block ends."""

    address: scoring.Address
    sample: Path
    rows: Sequence[list[csv_rows.Cell]]
    # One deployment of azureml/deployment.yml takes four requests at once (2 x 2); the rollout's probes are the fourth.
    clients: int = 3
    requests_a_second: float = 60.0
    answers: list[Answer] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Replay:
        """Start the clients."""
        self._threads = [threading.Thread(target=self._client, args=(n,), daemon=True) for n in range(self.clients)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the clients, each after the answer that it waits for."""
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=60)

    def _client(self, number: int) -> None:
        import requests

        chance = random.Random(number)
        pause = self.clients / self.requests_a_second
        columns = csv_rows.columns_of(self.sample)
        with requests.Session() as session:
            session.headers.update(self.address.headers())
            while not self._stop.wait(chance.uniform(0.5, 1.5) * pause):
                body = csv_rows.request(columns, [chance.choice(self.rows)])
                start = time.monotonic()
                try:
                    reply = session.post(self.address.uri, data=body, timeout=60)
                    slot, status = reply.headers.get(scoring.PIN, ""), reply.status_code
                except requests.RequestException:
                    slot, status = "", NO_ANSWER
                now = time.monotonic()
                self.answers.append(Answer(now, slot, status, now - start))  # one append is atomic

    def between(self, start: float, end: float) -> list[Answer]:
        """Return the answers that came in that time."""
        return [answer for answer in list(self.answers) if start <= answer.at < end]


def shares(answers: Sequence[Answer]) -> dict[str, float]:
    """Return the percentage of the answers that each deployment gave."""
    counts = Counter(answer.slot for answer in answers if answer.slot)
    return {slot: 100 * count / counts.total() for slot, count in sorted(counts.items())}


def percentile(answers: Sequence[Answer], share: float) -> float | None:
    """Return the latency in milliseconds that `share` of the good answers did not exceed; None without any."""
    taken = sorted(answer.seconds for answer in answers if answer.ok)
    return 1000 * taken[min(int(share * len(taken)), len(taken) - 1)] if taken else None
