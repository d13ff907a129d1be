"""What a rollout is judged by: the metrics and how much worse they may be, from the settings."""

from __future__ import annotations

from ops.evidence import Harm, Metric, Policy, Safety, Slower
from ops.rollout.probes import DISAGREE, ERROR, SLOW

# Answers are slower now and then on any machine: a share of slow ones must grow by a quarter, and by one in a hundred.
_SLOW_HARM = Harm(tolerance=0.01, times=1.25)
_SLOW_SAFETY = Safety(margin=0.05, times=1.25)
# Another model predicts something else now and then; where it may not, one row in a hundred is already too much.
_DISAGREE_HARM = Harm(tolerance=0.01)


def policy(
    *, tolerance: float, margin: float, alpha: float, beta: float, judge_disagreement: bool, slower: float = 0.1
) -> Policy:
    """Return the policy: errors carry most of alpha, since they are the rarest and the worst."""
    return Policy(
        metrics=(
            Metric(ERROR, Harm(tolerance), Safety(margin), weight=8.0),
            Metric(SLOW, _SLOW_HARM, _SLOW_SAFETY),
            Metric(DISAGREE, _DISAGREE_HARM, safety=None, judged=judge_disagreement),
        ),
        alpha=alpha,
        beta=beta,
        slower=Slower(slower),
    )
