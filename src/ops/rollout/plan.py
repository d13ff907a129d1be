"""What a rollout is to do: the steps, what each must show before the next, and by which policy. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ops.evidence import Harm, Metric, Policy, Safety, Slower
from ops.rollout.probes import DISAGREE, ERROR, SLOW

if TYPE_CHECKING:
    from ops import settings

# Answers are slower now and then on any machine: a share of slow ones must grow by a quarter, and by one in a hundred.
_SLOW_HARM = Harm(tolerance=0.01, times=1.25)
_SLOW_SAFETY = Safety(margin=0.05, times=1.25)
# Another model predicts something else now and then; where it may not, one row in a hundred is already too much.
_DISAGREE_HARM = Harm(tolerance=0.01)


@dataclass(frozen=True)
class Plan:
    """The endpoint, the steps in percent, and what each must show before the next."""

    endpoint: str
    steps: tuple[int, ...]
    policy: Policy
    bake_seconds: float
    min_requests: int
    step_seconds: float  # the deadline of a step
    on_fail: Literal["rollback", "pause"]
    on_deadline: Literal["rollback", "pause"]
    checkpoint_seconds: float
    lease_seconds: float
    deadline_seconds: float  # of one write
    mirror: int = 0  # percent of copies to the new deployment before its first live request
    stop_after: int = 100  # the step, in percent


def policy(chosen: settings.Rollout) -> Policy:
    """Return what is judged, and how: errors carry most of alpha, since they are the rarest and the worst."""
    return Policy(
        metrics=(
            Metric(ERROR, Harm(chosen.tolerance), Safety(chosen.margin), weight=8.0),
            Metric(SLOW, _SLOW_HARM, _SLOW_SAFETY),
            Metric(DISAGREE, _DISAGREE_HARM, safety=None, judged=chosen.judge_disagreement),
        ),
        alpha=chosen.alpha,
        beta=chosen.beta,
        slower=Slower(chosen.slower),
    )
