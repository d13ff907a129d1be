"""How soon a slower new deployment is rolled back: the bets of ops.evidence.pace on arrays, one row a rollout.

tests/bench/test_paces.py holds the two together.
"""

from __future__ import annotations

import numpy as np
from bench.figures import Figure
from numpy.typing import NDArray

from ops.evidence.pace import RECENT, STAKES, WARM
from ops.evidence.wealth import RESERVE, reserve

# Pairs in the first three steps of a rollout with the default settings.
ENOUGH = 600
Floats = NDArray[np.float64]


class Paces:
    """The wealth of many rollouts, as numbers rather than logarithms."""

    def __init__(self, by: float, runs: int) -> None:
        self.by = by
        self.bets = np.full((runs, len(STAKES)), (1 - RESERVE) / len(STAKES))
        self.recent = np.empty((runs, RECENT))
        self.seen = 0

    def step(self, old: Floats, new: Floats) -> Floats:
        """Add a pair to each rollout, and return the wealths."""
        judged = self.seen - WARM
        if judged >= 0:
            known = self.recent[:, : min(self.seen, RECENT)]
            score = self._rank(known, new / (1 + self.by)) - self._rank(known, old)
            self.bets *= 1 + np.array(STAKES) * score[:, None]
            self.bets += (reserve(judged) - reserve(judged + 1)) / len(STAKES)
        self.recent[:, self.seen % RECENT] = old
        self.seen += 1
        total: Floats = self.bets.sum(axis=1) + reserve(max(judged + 1, 0))
        return total

    @staticmethod
    def _rank(known: Floats, seconds: Floats) -> Floats:
        shorter, equal = known < seconds[:, None], known == seconds[:, None]
        rank: Floats = (shorter.sum(axis=1) + equal.sum(axis=1) / 2) / known.shape[1]
        return rank


def until(
    by: float, factor: float, noise: float, *, threshold: float, runs: int, limit: int, seed: int
) -> NDArray[np.int64]:
    """Return after how many pairs each rollout was rolled back; `limit` + 1 for never.

    Times are log-normal, `noise` the deviation of their logarithms; the new one takes `factor` times as long.
    """
    chance = np.random.default_rng(seed)
    paces = Paces(by, runs)
    at = np.full(runs, limit + 1)
    for number in range(1, limit + 1):
        old, new = np.exp(noise * chance.standard_normal((2, runs)))
        over = (paces.step(old, factor * new) >= threshold) & (at > limit)
        at[over] = number
        if (at <= limit).all():
            break
    return at


def slower(runs: int, pairs: int, seed: int) -> list[Figure]:
    """Print how soon a slower one is rolled back, and how often one that is just tolerable; return the figures."""
    figures = []
    for noise in (0.1, 0.3, 0.5):
        found = until(0.1, 1.3, noise, threshold=1000, runs=runs, limit=pairs, seed=seed)
        mean, late = float(found.mean()), float(np.quantile(found, 0.9))
        print(f"  30 % slower, noise {noise:.1f}: {mean:.0f} pairs, nine in ten within {late:.0f}")
        name = f"30 % slower, noise {noise:.1f}: pairs until rollback"
        figures.append(Figure(name, mean, ENOUGH, mean / ENOUGH, f"at most {ENOUGH}", mean <= ENOUGH))
    # Ranks do not change with the noise: at the boundary one noise stands for all.
    many, pairs = 4 * runs, pairs // 3
    found = until(0.1, 1.1, 0.3, threshold=100, runs=many, limit=pairs, seed=seed + 1)
    share = float((found <= pairs).mean())
    print(f"  10 % slower, which is tolerable: {share:.2%} of {many:,} rolled back in {pairs:,} pairs")
    aim = f"at most 1 % in {pairs:,} pairs, and chance"
    most = 0.01 + 3 * float(np.sqrt(0.01 / many))
    figures.append(Figure("false rollbacks, 10 % slower", share, 0.01, share / 0.01, aim, share <= most))
    return figures
