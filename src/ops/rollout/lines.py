"""A rollout in a log: plain lines, not too many."""

from __future__ import annotations

import math

from ops import console, traffic, wait
from ops.evidence import Verdict
from ops.rollout.ledger import Ledger
from ops.rollout.position import Position
from ops.rollout.record import shown

_LINE_SECONDS = 10.0  # between two lines of the same step


class Lines:
    """A line for each step, every ten seconds between, and the end: for logs and runners."""

    def __init__(self) -> None:
        """Nothing said yet."""
        self._said = -math.inf

    def begin(self, position: Position, ledger: Ledger) -> None:
        """Say what is rolled out, and whether it was begun before."""
        again = (
            f", taken up at {ledger.step} % with {ledger.requests} requests judged"
            if ledger.step or ledger.requests
            else ""
        )
        console.say(f"rollout from {position.old} to {position.new}{again}")

    def step(self, position: Position, split: traffic.Split) -> None:
        """Say the split."""
        self._said = wait.clock()
        console.say(f"traffic: {split}")

    def seen(self, position: Position, ledger: Ledger, verdict: Verdict) -> None:
        """Say the evidence now and then; what decides is said at the end."""
        if wait.clock() - self._said >= _LINE_SECONDS:
            self._said = wait.clock()
            found = "; ".join(_findings(position, verdict))
            console.say(f"{ledger.step} % after {wait.duration(ledger.seconds_at_step())}: {verdict.answer}; {found}")

    def end(self, position: Position, ledger: Ledger, outcome: str) -> None:
        """Say how it ended, with all the evidence."""
        for line in _findings(position, ledger.evidence.verdict()):
            console.say(line)
        for name, (_, new) in shown(ledger.evidence).items():
            console.say(f"{name}: {position.new} {new.bad}/{new.n} (shown, not judged)")
        self.say_outcome(ledger, outcome)

    def say_outcome(self, ledger: Ledger, outcome: str) -> None:
        """Say how it ended, in one line."""
        console.say(f"rollout {outcome} ({wait.duration(ledger.seconds())}, requests judged: {ledger.requests})")


def progress(log_e: float | None, threshold: float) -> int:
    """Return how far a test is, in percent of the logarithm that it needs; 0 for one that lost or is not asked.

    >>> progress(math.log(10), 100), progress(-3.0, 100), progress(math.log(500), 100)
    (50, 0, 100)
    """
    return 0 if log_e is None else round(100 * min(max(log_e / math.log(threshold), 0.0), 1.0))


def _findings(position: Position, verdict: Verdict) -> list[str]:
    return [
        f"{each.metric}: {position.new} {each.new.bad}/{each.new.n}, {position.old} {each.old.bad}/{each.old.n}"
        f" (harm {progress(each.harm, each.harm_threshold)} %, safety {progress(each.safety, each.safety_threshold)} %)"
        for each in verdict.findings
    ]
