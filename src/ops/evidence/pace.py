"""Is the new deployment slower by more than is tolerable? An anytime-valid test of pairs of times, by their ranks.

A share of answers over a limit says little about a new one that is 30 % slower: far below the limit nothing changes,
and no limit suits every model. So each pair of times is scored by itself: S = h(new / (1 + by)) - h(old), where h is
the share of the old one's recent times, all of before this pair, that are shorter. Ranks, so that one hiccup of ten
seconds weighs no more than any other long time.

Validity. The null: whatever happened before, the new one's time divided by 1 + by is stochastically no longer than the
old one's. As h never falls and is fixed before the pair, S then expects 0 at most, so the factor 1 + stake * S, with a
stake from 0 to 1 and S from -1 to 1, is never negative and expects 1 at most. Nothing is asked of what joins the two
times of a pair, nor of what joins pairs: noise, bursts, rows that are slow on both and slow hours are all fine, and an
equal new one is judged harmful with a chance of at most alpha. Money is spread over stakes, and fed to them, as in
wealth.py.

What it cannot know is why the new one is slower: the times must be of equal conditions, so a deployment that carries
more of the load than the other must not be judged by them.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from typing import NamedTuple

from ops.evidence.counts import Counts
from ops.evidence.wealth import MOST, RESERVE, hundredths, log_sum, reserve

NAME = "slower"
# Wide apart: the best stake is some third of the mean score over its mean square, from 0.06 for a few percent on.
STAKES = (0.06, 0.12, 0.25, 0.5, 0.9)
# So many pairs are not judged: h needs some times, and a deployment that nobody has called yet some calls.
WARM = 50
RECENT = 200
_VERSION = 1
_EMPTY = Counts()


class Times(NamedTuple):
    """Seconds until both answers to the same request."""

    old: float
    new: float


@dataclass(frozen=True, slots=True)
class Slower:
    """By which share the new one may be slower, and the metric's weight in the split of alpha."""

    by: float = 0.1
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.by < math.inf or self.weight <= 0:
            raise ValueError(f"slower by {self.by}, weight {self.weight}: give by >= 0 and a weight of more than 0")


@dataclass(frozen=True, slots=True)
class Pace:
    """The bets on one null as logarithms, in how many pairs each arm was the slower one, and the old one's times."""

    null: Slower
    bets: tuple[float, ...]
    old: Counts = _EMPTY
    new: Counts = _EMPTY
    peak: float = 0.0
    recent: tuple[float, ...] = ()

    @staticmethod
    def start(null: Slower) -> Pace:
        """Return the wealth of 1, spread evenly over the stakes."""
        return Pace(null, (math.log((1 - RESERVE) / len(STAKES)),) * len(STAKES))

    @property
    def log_e(self) -> float:
        """The logarithm of the wealth."""
        return log_sum((*self.bets, math.log(reserve(self.new.n))))

    def after(self, times: Times) -> Pace:
        """Return the wealth after a pair; the first ones, here and after a restart, are only learned from."""
        recent = (*self.recent[-RECENT + 1 :], times.old)
        if len(self.recent) < WARM:
            return replace(self, recent=recent)
        fair = times.new / (1 + self.null.by)
        score = self._rank(fair) - self._rank(times.old)
        n = self.new.n
        fed = math.log((reserve(n) - reserve(n + 1)) / len(STAKES))
        gains = [bet + math.log1p(stake * score) for bet, stake in zip(self.bets, STAKES, strict=True)]
        bets = tuple([min(log_sum((gain, fed)), MOST) for gain in gains])
        return Pace(
            self.null,
            bets,
            self.old + Counts(1, int(times.old > fair)),
            self.new + Counts(1, int(fair > times.old)),
            max(self.peak, log_sum((*bets, math.log(reserve(n + 1))))),
            recent,
        )

    def _rank(self, seconds: float) -> float:
        """Return h: the share of the old one's recent times that are shorter, equal ones counted half."""
        shorter = sum([time < seconds for time in self.recent])
        equal = sum([time == seconds for time in self.recent])
        return (shorter + equal / 2) / len(self.recent)

    def packed(self) -> str:
        """Return it, without `recent`, as a text of at most 256 characters, in hundredths of a nat, rounded down.

        It begins as that of a metric does: requests and bad ones of the old one, then of the new one.
        """
        totals = [self.old.n, self.old.bad, self.new.n, self.new.bad]
        numbers = [hundredths(value) for value in (self.peak, *self.bets)]
        return json.dumps([_VERSION, totals, numbers], separators=(",", ":"))

    @staticmethod
    def unpacked(null: Slower, text: str) -> Pace:
        """Return what `packed` kept; ValueError when it was made of anything else."""
        try:
            version, totals, (peak, *bets) = json.loads(text)
            if version != _VERSION or len(bets) != len(STAKES):
                raise ValueError("made by another version")
            values = tuple([bet / 100 for bet in bets])
            return Pace(null, values, Counts(*totals[:2]), Counts(*totals[2:]), peak / 100)
        except (ValueError, TypeError) as error:
            raise ValueError(f"the kept evidence of {NAME} cannot be read: {error}") from error
