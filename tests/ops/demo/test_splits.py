"""The split that clients saw, beside the one that was set."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from ops import replay, traffic
from ops.demo.splits import Splits
from ops.evidence import Policy
from ops.rollout.ledger import Ledger
from ops.rollout.position import Position
from ops.scoring import Address

HERE = Position("blue", "green", 0, "one")
KEPT = Ledger.start("one", Policy())


def answered(clients: replay.Replay, slots: str) -> None:
    """Answers in that order, b for blue and g for green."""
    for slot in slots:
        clients.answers.append(replay.Answer(time.monotonic(), {"b": "blue", "g": "green"}[slot], 200, 0.001))


def test_only_answers_of_the_split_itself_are_counted() -> None:
    """What came while the next split was being written is no answer of the one before."""
    clients = replay.Replay(Address("http://127.0.0.1:9", "key"), Path("sample.json"), [])
    splits = Splits(clients)
    verdict: Any = KEPT.evidence.verdict()
    splits.begin(HERE, KEPT)
    answered(clients, "bb")
    for share, slots in ((10, "bbbg"), (50, "bg"), (100, "ggg")):
        splits.step(HERE, traffic.Split.of({"green": share, "blue": 100 - share}))
        answered(clients, slots)
        splits.seen(HERE, KEPT, verdict)
        answered(clients, "gg")  # the write of the next split is at work
    splits.end(HERE, KEPT, "complete")
    assert splits.steps == [
        {"set": {"green": 10, "blue": 90}, "observed": {"blue": 75.0, "green": 25.0}, "requests": 4},
        {"set": {"green": 50, "blue": 50}, "observed": {"blue": 50.0, "green": 50.0}, "requests": 2},
        {"set": {"green": 100}, "observed": {"green": 100.0}, "requests": 3},
    ]
