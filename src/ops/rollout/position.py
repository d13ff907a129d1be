"""Where a rollout stands, read off what is deployed, how the traffic is split, and the endpoint's tags. Pure.

The new deployment is the one deployed last; its tag says when. So colours alternate without a memory, and a rollout
that was killed is taken up by the next run, on any machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ops import deployments, lineage, traffic
from ops.errors import NotFound

if TYPE_CHECKING:
    from azure.ai.ml.entities import OnlineDeployment, OnlineEndpoint


@dataclass(frozen=True)
class Position:
    """The old and the new deployment, the new one's share in percent, and a name for this very new deployment."""

    old: str | None
    new: str
    share: int
    identity: str

    @staticmethod
    def of(deployed: Mapping[str, OnlineDeployment], split: traffic.Split) -> Position:
        """Return the position; NotFound without deployments."""
        if not deployed:
            raise NotFound("the endpoint has no deployment: inv deploy makes one")
        by_age = sorted(deployed, key=lambda slot: (deployments.deployed_at(deployed[slot]), slot))
        new = by_age[-1]
        old = by_age[-2] if len(by_age) > 1 else None
        return Position(old, new, split.share(new), identity(deployed[new], new))


def identity(deployment: OnlineDeployment, slot: str) -> str:
    """Return what tells this deployment from an earlier one in the same slot: the slot, and when it was deployed."""
    return f"{slot} of {deployments.deployed_at(deployment)}"


def was_rolled_back(endpoint: OnlineEndpoint, of: str) -> bool:
    """Return whether the deployment of this identity is the one that was rolled back last."""
    return str(lineage.tags_of(endpoint).get(lineage.ROLLED_BACK, "")).startswith(f"{of}: ")


def steps_left(share: int, steps: tuple[int, ...], stop_after: int = 100) -> list[int]:
    """Return the steps still to be judged, up to `stop_after`: the present one again if it is one, then those above.

    >>> steps_left(0, (10, 50, 100)), steps_left(50, (10, 50, 100)), steps_left(60, (10, 50, 100))
    ([10, 50, 100], [50, 100], [100])
    >>> steps_left(0, (10, 50, 100), stop_after=50)
    [10, 50]
    """
    return [step for step in steps if share <= step <= stop_after]
