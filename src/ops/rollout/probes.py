"""Paired probes: the same live row to the old and the new deployment, pinned, in random order, answers compared.

A pair is one observation of each deployment under the same conditions: what slows or breaks both says nothing against
the new one. A 429 says that a deployment is busy, not that it is bad; such a pair is not counted at all.

A pair alone can say little: under the null both fail alike, so "of two only the new one failed" has a chance of up to a
quarter, and its factor is at most 4. So the first pairs of a step come with further answers of the old deployment,
which harm nobody: beside twelve good ones a failure of the new one is worth some thirty, and two are mostly enough
where five were needed. They are to other rows, as requests of a block must not fail for the same reason (wealth.py).
"""

from __future__ import annotations

import itertools
import json
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ops import csv_rows, scoring, wait
from ops.errors import OpsError
from ops.evidence import Counts, Times

if TYPE_CHECKING:
    import requests

ERROR, SLOW, DISAGREE = "error", "slow", "disagree"
Block = Mapping[str, tuple[Counts, Counts]]  # by metric: requests and bad ones of the old and of the new deployment
_GOOD, _TOO_BUSY = 200, 429
_NO_ENTRY = (401, 403)  # said by the endpoint, before any deployment is asked
# So many pairs at the beginning of a step come with so many further answers of the old deployment.
CAREFUL_PAIRS, FURTHER = 10, 11


@dataclass(frozen=True)
class Answer:
    """What one deployment made of a row: what was wrong with it ("" for nothing), how long it took, what it said."""

    fault: str
    seconds: float
    predictions: tuple[object, ...] = ()
    busy: bool = False


@dataclass(frozen=True)
class Pair:
    """The answers of the old and of the new deployment to one row, and further ones of the old, to other rows."""

    old: Answer
    new: Answer
    further: tuple[Answer, ...] = ()

    def block(self, slow_seconds: float) -> Block:
        """Return what the pair adds to each metric; nothing when either deployment was too busy to answer.

        Only answers can be slow or disagree: a failure of the new one counts once, as an error. Whoever asked an old
        one that fails has waited in vain: that is slow too, so that the new one is judged even if the old one never
        answers. Further answers are counted for errors only: what comes after a pair finds a deployment that is awake.
        """
        if self.old.busy or self.new.busy:
            return {}
        olds = [self.old, *(answer for answer in self.further if not answer.busy)]
        old_faults = Counts(len(olds), sum(bool(answer.fault) for answer in olds))
        seen = {ERROR: (old_faults, _count(bool(self.new.fault)))}
        if not self.new.fault:
            old_slow = bool(self.old.fault) or self.old.seconds > slow_seconds
            seen[SLOW] = (_count(old_slow), _count(self.new.seconds > slow_seconds))
        if not self.old.fault and not self.new.fault:
            seen[DISAGREE] = (_count(False), _count(not self.agree()))
        return seen

    def times(self) -> Times | None:
        """Return how long both took; None unless both answered."""
        if self.old.busy or self.new.busy or self.old.fault or self.new.fault:
            return None
        return Times(self.old.seconds, self.new.seconds)

    def agree(self) -> bool:
        """Return whether both predicted the same."""
        return self.old.predictions == self.new.predictions


def _count(bad: bool) -> Counts:
    return Counts(1, int(bad))


def is_bad(status: int) -> bool:
    """Return whether an answer is the deployment's failure: 5xx, 424 (the container failed), 408 (it took too long)."""
    return status >= 500 or status in (424, 408)


@dataclass
class Sent:
    """Our own requests: when each was answered (epoch seconds), by which deployment, and whether it failed.

    Of one whose answer was lost (None) nobody knows whether the service counts it as good, as bad, or not at all.
    """

    answers: list[tuple[float, str, bool | None]] = field(default_factory=list)

    def until(self, slot: str, moment: float) -> tuple[int, int]:
        """Return how many good and how many bad ones there were up to a moment; one that was lost is among both."""
        mine = [bad for at, name, bad in self.answers if name == slot and at <= moment]
        return sum(bad is not True for bad in mine), sum(bad is not False for bad in mine)


class Prober:
    """Sends pairs at a steady rate, over connections that it keeps."""

    def __init__(
        self,
        find: Callable[[], scoring.Address],
        sample: Path,
        rows: Sequence[list[csv_rows.Cell]],
        seed: int | None = None,
    ) -> None:
        """Ask about `rows`, in the columns of the sample request; `find` is asked again when its key is refused."""

        self._find = find
        self._address = find()
        self._columns = csv_rows.columns_of(sample)
        self._rows = rows
        self._chance = random.Random(seed)
        self._sessions: dict[str, requests.Session] = {}
        self.sent = Sent()

    def pairs(
        self, old: str, new: str, pairs_per_second: float, seconds: float, judged: int = CAREFUL_PAIRS
    ) -> Iterator[Pair]:
        """Yield pairs for `seconds`, at most so many a second, never late pairs in a burst; at least one.

        `judged` says how many requests of the new deployment were judged at this step: the first pairs are careful.
        """
        end = time.monotonic() + seconds
        for number in itertools.count(judged):
            began = time.monotonic()
            yield self.pair(old, new, FURTHER if number < CAREFUL_PAIRS else 0)
            pause = began + 1 / pairs_per_second - time.monotonic()
            if time.monotonic() + max(pause, 0) >= end:
                return
            wait.rest(max(pause, 0))

    def pair(self, old: str, new: str, further: int = 0) -> Pair:
        """Send one row to both, in random order, so that neither is always the one that warms a cache.

        Then `further` rows to the old one alone.
        """
        body = self._row()
        answers: dict[str, Answer] = {}
        for slot in self._chance.sample((old, new), 2):
            answers[slot] = self._ask(slot, body)
        return Pair(answers[old], answers[new], tuple(self._ask(old, self._row()) for _ in range(further)))

    def _row(self) -> str:
        return csv_rows.request(self._columns, [self._chance.choice(self._rows)])

    def _ask(self, slot: str, body: str) -> Answer:
        import requests

        began = time.monotonic()
        try:
            reply = self._post(slot, body)
            if reply.status_code in _NO_ENTRY:
                # A key that was made anew meanwhile, or a token that has run out, is no fault of a deployment.
                self._address = self._find()
                self._sessions.clear()
                began = time.monotonic()
                reply = self._post(slot, body)
        except requests.RequestException as fault:
            if _may_have_arrived(fault):
                self.sent.answers.append((time.time(), slot, None))
            return Answer(f"no answer: {type(fault).__name__}", time.monotonic() - began)
        if reply.status_code in _NO_ENTRY:
            raise OpsError(f"{self._address.uri} answers {reply.status_code} to its own key: {reply.text[:200]}")
        if reply.status_code == _GOOD or is_bad(reply.status_code):
            self.sent.answers.append((time.time(), slot, is_bad(reply.status_code)))
        return judged(reply.status_code, reply.headers, reply.text, slot, time.monotonic() - began)

    def _post(self, slot: str, body: str) -> requests.Response:
        import requests

        session = self._sessions.get(slot)
        if session is None:
            session = self._sessions[slot] = requests.Session()
            session.headers.update(self._address.headers(slot))
        return session.post(self._address.uri, data=body, timeout=180)


def _may_have_arrived(fault: requests.RequestException) -> bool:
    """Return whether the service may count a request that failed so: not when there was no connection to send it on."""
    from requests import ConnectTimeout
    from requests.exceptions import ProxyError, SSLError
    from urllib3.exceptions import NewConnectionError

    reason = getattr(fault.args[0] if fault.args else None, "reason", None)
    return not isinstance(fault, ConnectTimeout | ProxyError | SSLError) and not isinstance(reason, NewConnectionError)


def judged(status: int, headers: Mapping[str, str], text: str, slot: str, seconds: float) -> Answer:
    """Return what an answer of a pinned call is worth. Pure."""
    if status == _TOO_BUSY:
        return Answer("", seconds, busy=True)
    if status != 200:
        return Answer(f"{status}: {text[:200]}", seconds)
    if headers.get(scoring.PIN) != slot:
        return Answer(f"answered by {headers.get(scoring.PIN)}, not by {slot}", seconds)
    try:
        found = json.loads(text)
        predictions, probabilities = tuple(found["predictions"]), tuple(float(each) for each in found["probabilities"])
    except (ValueError, KeyError, TypeError):
        return Answer(f"not an answer of the agreed shape: {text[:200]}", seconds)
    if len(predictions) != 1 or len(probabilities) != 1 or not 0 <= probabilities[0] <= 1:
        return Answer(f"not one prediction with its probability: {text[:200]}", seconds)
    return Answer("", seconds, predictions)
