"""What the old deployment did before the rollout, from the same metrics as the live requests.

It tells the bets how often the old one fails, so that they need not learn it first. It is no evidence: not one of its
requests counts for or against anything (`OldRate` in ops/evidence/wealth.py), so it may be old, wrong or absent.
"""

from __future__ import annotations

import math
from datetime import datetime

from ops.evidence import Counts
from ops.rollout.live import MINUTE, Query, counts

# What is known may weigh no more than this: a rate that has changed since is then learned again within minutes.
MOST = 10_000


def of(query: Query, slot: str, *, moment: float, minutes: int, lag_seconds: float, deployed: str) -> Counts:
    """Return the last whole minutes of a deployment, none younger than the lag, none of before it was `deployed`.

    `moment` in epoch seconds, `deployed` in ISO format (left aside if not); 0 of 0 when there is none to ask for.
    """
    end = math.floor((moment - lag_seconds) / MINUTE) * MINUTE
    start = max(end - minutes * MINUTE, math.ceil(_seconds(deployed) / MINUTE) * MINUTE)
    return _at_most(counts(query(start, end), slot)) if start < end else Counts()


def _seconds(deployed: str) -> float:
    try:
        return datetime.fromisoformat(deployed).timestamp()
    except ValueError:  # none, or a person's own words
        return 0.0


def _at_most(found: Counts) -> Counts:
    return found if found.n <= MOST else Counts(MOST, round(found.bad * MOST / found.n))
