"""Many rollouts at once: the bets of ops.evidence.wealth on arrays, a row each, nine old requests to a new one.

The factors come from `ops.evidence.wealth.table` and the rules for what is kept back and what is known of the old rate
are its constants, so that this is the same engine; tests/bench/test_streams.py holds the two together.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ops.evidence import wealth
from ops.evidence.nulls import Harm, nearest

OLD_PER_NEW = 9  # requests of the old deployment to one of the new one: 10 % of the traffic
Floats = NDArray[np.float64]
Whole = NDArray[np.int64]
_CHUNK = 500


@dataclass(frozen=True)
class Stops:
    """At which request of the new one each rollout ended; `limit` for one that never did, which `ended` tells apart."""

    at: Whole
    ended: NDArray[np.bool_]


def _factors(harm: Harm) -> Floats:
    """Return the factor of each bet: level, old ones bad (0 to 9), new ones bad (0 or 1), bet."""
    levels = range(wealth.LOWEST, wealth.HIGHEST + 1)
    rows = np.array([wealth.table(harm, OLD_PER_NEW, 1, level) for level in levels])
    bad = np.arange(OLD_PER_NEW + 1)[None, :, None]
    of_old = (OLD_PER_NEW - bad) * rows[:, None, :, 0] + bad * rows[:, None, :, 1]
    factors: Floats = np.exp(of_old[:, :, None, :] + rows[:, None, :, 2:].transpose(0, 1, 3, 2))
    return factors


class Ours:
    """The wealth of many rollouts, as numbers rather than logarithms: it is followed only until it reaches 1/alpha."""

    def __init__(self, harm: Harm, history: Whole, history_n: int) -> None:
        self.factors = _factors(harm)
        self.shares = np.array(wealth.shares(harm))
        self.bets = np.tile((1 - wealth.RESERVE) * self.shares, (len(history), 1))
        self.known_n = wealth.PRIOR_N + history_n
        self.known_bad = wealth.PRIOR_BAD + history.astype(float)
        self.n = 0

    def step(self, old_bad: Whole, new_bad: Whole) -> Floats:
        """Add a block to each rollout, and return the wealths."""
        odds = self.known_bad / (self.known_n - self.known_bad)
        level = np.clip(np.rint(wealth.STEPS * np.log(odds)), wealth.LOWEST, wealth.HIGHEST).astype(int)
        fed = wealth.reserve(self.n) - wealth.reserve(self.n + 1)
        self.bets *= self.factors[level - wealth.LOWEST, old_bad, new_bad]
        self.bets += fed * self.shares
        self.n += 1
        self.known_n += OLD_PER_NEW
        self.known_bad += old_bad
        fade = min(1.0, wealth.MEMORY / self.known_n)
        self.known_n *= fade
        self.known_bad *= fade
        total: Floats = self.bets.sum(axis=1) + wealth.reserve(self.n)
        return total

    def keep(self, rows: NDArray[np.bool_]) -> None:
        """Go on with these rollouts only."""
        self.bets, self.known_bad = self.bets[rows], self.known_bad[rows]


class Oracle:
    """The same test told both true rates: one bet, on the truth, with nothing kept back."""

    def __init__(self, harm: Harm, old: float, new: float, runs: int) -> None:
        new = min(new, 1 - 1e-12)
        point = nearest(harm, old, new, OLD_PER_NEW, 1)
        if point is None:
            raise ValueError("the oracle has nothing to bet on: the new one is no worse than tolerated")
        bad = np.arange(OLD_PER_NEW + 1)[:, None]
        of_old = bad * math.log(old / point[0]) + (OLD_PER_NEW - bad) * math.log((1 - old) / (1 - point[0]))
        of_new = [math.log((1 - new) / (1 - point[1])), math.log(new / point[1])]
        self.factors = np.exp(of_old + np.array(of_new)[None, :])
        self.wealth = np.ones(runs)

    def step(self, old_bad: Whole, new_bad: Whole) -> Floats:
        """Add a block to each rollout, and return the wealths."""
        self.wealth = self.wealth * self.factors[old_bad, new_bad]
        return self.wealth

    def keep(self, rows: NDArray[np.bool_]) -> None:
        """Go on with these rollouts only."""
        self.wealth = self.wealth[rows]


def follow(
    test: Ours | Oracle,
    rates: tuple[float, float],
    runs: int,
    limit: int,
    seed: int,
    *,
    alpha: float = 0.01,
    turns_bad_after: int = 0,
) -> Stops:
    """Follow each rollout until its wealth reaches 1/alpha, or through `limit` requests of the new one.

    With `turns_bad_after` the new one is an equal for so many requests first; a rollout that ends before counts too.
    """
    chance = np.random.default_rng(seed)
    old, new = rates
    at, ended = np.full(runs, limit), np.zeros(runs, dtype=bool)
    alive = np.arange(runs)
    n = 0
    while n < limit and len(alive):
        # Every stream is drawn whole, ended or not, so that two tests with one seed meet the same requests.
        old_bad = chance.binomial(OLD_PER_NEW, old, (_CHUNK, runs))
        late = (np.arange(n, n + _CHUNK) >= turns_bad_after)[:, None]
        new_bad = (chance.random((_CHUNK, runs)) < np.where(late, new, old)).astype(int)
        for i in range(min(_CHUNK, limit - n)):
            over = test.step(old_bad[i, alive], new_bad[i, alive]) >= 1 / alpha
            if over.any():
                at[alive[over]], ended[alive[over]] = n + i + 1, True
                alive = alive[~over]
                test.keep(~over)
                if not len(alive):
                    break
        n += _CHUNK
    return Stops(at, ended)


def past(old: float, history_n: int, runs: int, seed: int) -> Whole:
    """Return how many of the old one's last `history_n` requests were bad, for each rollout."""
    drawn: Whole = np.random.default_rng(seed).binomial(history_n, old, runs)
    return drawn
