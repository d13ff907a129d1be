"""The bench of times follows the very bets that a rollout makes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from bench.evidence.paces import Paces

from ops.evidence.pace import RECENT, Pace, Slower, Times


def test_the_bench_makes_the_same_bets() -> None:
    """Many rollouts in arrays and one rollout in logarithms come to the same wealth, also when old times are let go."""
    chance = np.random.default_rng(3)
    paces, pace = Paces(0.1, 3), Pace.start(Slower(0.1))
    for _ in range(RECENT + 60):
        old, new = np.round(np.exp(0.3 * chance.standard_normal((2, 3))), 1)
        wealth = paces.step(old, new)
        pace = pace.after(Times(float(old[1]), float(new[1])))
    assert math.log(wealth[1]) == pytest.approx(pace.log_e, abs=1e-9)
