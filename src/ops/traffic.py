"""Traffic: what share of the requests each deployment gets. Written whole, read back, never assumed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ops import wait
from ops.errors import OpsError, UsageError

if TYPE_CHECKING:
    from azure.ai.ml import MLClient
    from azure.ai.ml.entities import OnlineEndpoint

MOST_MIRROR = 50
_READ_BACK_POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Split:
    """Percent of the live requests, and of copies, by deployment; deployments without any are left out."""

    live: Mapping[str, int]
    mirror: Mapping[str, int]

    def of(self, slot: str) -> int:
        """Return the percentage of live requests that `slot` gets."""
        return self.live.get(slot, 0)

    def __str__(self) -> str:
        """Return it as people say it: blue 90 %, green 10 %."""
        parts = [f"{slot} {share} %" for slot, share in sorted(self.live.items())]
        parts += [f"{slot} mirrors {share} %" for slot, share in sorted(self.mirror.items())]
        return ", ".join(parts) or "none"


def of(endpoint: OnlineEndpoint) -> Split:
    """Return the endpoint's split without the zeros."""
    return Split(_shares(endpoint.traffic), _shares(endpoint.mirror_traffic))


def read(client: MLClient, name: str) -> Split:
    """Return what the workspace says the split is now."""
    return of(client.online_endpoints.get(name))


def tag(client: MLClient, name: str, tags: Mapping[str, str], *, deadline_seconds: float) -> Split:
    """Set these tags and leave the split as it is read in the same breath; return that split."""

    def put() -> Split:
        endpoint = client.online_endpoints.get(name)
        merged = {**(endpoint.tags or {}), **tags}
        if merged != (endpoint.tags or {}):
            endpoint.tags = merged
            client.online_endpoints.begin_create_or_update(endpoint).result(timeout=deadline_seconds)
        return of(endpoint)

    return wait.retrying(put, what=f"tags of {name}", deadline_seconds=deadline_seconds)


def _shares(given: Mapping[str, object] | None) -> dict[str, int]:
    return {slot: int(str(share)) for slot, share in (given or {}).items() if int(str(share))}


def check(live: Mapping[str, int], mirror: Mapping[str, int]) -> None:
    """Refuse what Azure would refuse, and what the SDK would let through (it sends a sum of 120)."""
    for slot, share in {**live, **mirror}.items():
        if isinstance(share, bool) or not isinstance(share, int) or not 0 <= share <= 100:
            raise UsageError(f"{slot}: {share} is not a percentage: give a whole number from 0 to 100")
    if sum(live.values()) not in (0, 100):
        raise UsageError(f"traffic sums to {sum(live.values())} %: it must be 100, or 0 to stop all of it")
    if len([share for share in mirror.values() if share]) > 1:
        raise UsageError("only one deployment can mirror")
    for slot, share in mirror.items():
        if share > MOST_MIRROR:
            raise UsageError(f"{slot}: mirrors at most {MOST_MIRROR} %, not {share} %")
        if share and live.get(slot):
            raise UsageError(f"{slot} has live traffic: it can have that or mirror, not both")


def write(
    client: MLClient,
    name: str,
    live: Mapping[str, int],
    mirror: Mapping[str, int] | None = None,
    *,
    tags: Mapping[str, str] | None = None,
    deadline_seconds: float,
    ready: Callable[[Mapping[str, int]], None] = lambda live: None,
) -> Split:
    """Make `live` (and `mirror`, none when not given) the endpoint's split, and return it as read back.

    `ready` is asked before anything is written, and raises when a deployment of the split cannot serve. Tags go out
    in the same write. An equal split with equal tags is left alone, so this can be run twice.
    """
    wanted = Split(_shares(live), _shares(mirror))
    check(wanted.live, wanted.mirror)
    ready({**wanted.live, **wanted.mirror})

    def put() -> None:
        endpoint = client.online_endpoints.get(name)
        merged = {**(endpoint.tags or {}), **(tags or {})}
        if of(endpoint) == wanted and merged == (endpoint.tags or {}):
            return
        endpoint.traffic, endpoint.mirror_traffic, endpoint.tags = dict(wanted.live), dict(wanted.mirror), merged
        client.online_endpoints.begin_create_or_update(endpoint).result(timeout=deadline_seconds)

    wait.retrying(put, what=f"traffic of {name}", deadline_seconds=deadline_seconds)
    # Azure may answer with the old split for a moment after the write.
    try:
        return wait.until(
            lambda: wait.retrying(lambda: read(client, name), what=name, deadline_seconds=deadline_seconds),
            lambda seen: seen == wanted,
            what=f"traffic of {name}: wanted {wanted}",
            deadline_seconds=deadline_seconds,
            poll_seconds=_READ_BACK_POLL_SECONDS,
        )
    except OpsError as stale:
        raise OpsError(f"{stale}; run inv status, then try again") from stale
