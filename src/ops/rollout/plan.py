"""What a rollout is to do: the steps, and what each must show before the next. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ops.evidence import Policy


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
    last: int = 100  # the step to stop after
