"""Traffic: what share of the requests each deployment gets. Written whole, read back, never assumed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ops import lineage, provisioning, wait
from ops.errors import Moved, Timeout, UsageError

if TYPE_CHECKING:
    from azure.ai.ml import MLClient
    from azure.ai.ml.entities import OnlineEndpoint

MOST_MIRROR = 50
_READ_BACK_POLL_SECONDS = 0.2
_GIVE_WAY_SECONDS = 60.0  # Azure may show the old split for a moment after a write; not for so long


# Looks at an endpoint as it was read just before a write, and raises Moved to keep it from being written.
Guard = Callable[["OnlineEndpoint"], None]


@dataclass(frozen=True)
class Split:
    """Percent of the live requests, and of copies, by deployment; deployments without any are left out."""

    live: Mapping[str, int]
    mirror: Mapping[str, int]

    @staticmethod
    def of(live: Mapping[str, object] | None, mirror: Mapping[str, object] | None = None) -> Split:
        """Return the split of these percentages, without the zeros."""
        return Split(_shares(live), _shares(mirror))

    def share(self, slot: str) -> int:
        """Return the percentage of live requests that `slot` gets."""
        return self.live.get(slot, 0)

    def __str__(self) -> str:
        """Return it as people say it: blue 90 %, green 10 %."""
        parts = [f"{slot} {share} %" for slot, share in sorted(self.live.items())]
        parts += [f"{slot} mirrors {share} %" for slot, share in sorted(self.mirror.items())]
        return ", ".join(parts) or "none"


def split_of(endpoint: OnlineEndpoint | None) -> Split:
    """Return the endpoint's split; an empty one when there is no endpoint."""
    return Split.of(endpoint.traffic, endpoint.mirror_traffic) if endpoint else Split({}, {})


def read(client: MLClient, name: str) -> Split:
    """Return what the workspace says the split is now."""
    return split_of(client.online_endpoints.get(name))


@dataclass(frozen=True)
class Seen:
    """A split as it was read, and whether an update was under way then: what comes of that may be another."""

    split: Split
    is_changing: bool

    @staticmethod
    def of(endpoint: OnlineEndpoint) -> Seen:
        """Return what an endpoint, as read, shows."""
        return Seen(split_of(endpoint), provisioning.state(endpoint) in provisioning.CHANGING)

    def __str__(self) -> str:
        """Return the split, and that it may not last."""
        return f"{self.split}, with an update under way" if self.is_changing else str(self.split)


def tag(
    client: MLClient,
    name: str,
    tags: Mapping[str, str],
    *,
    guard: Guard | None = None,
    waits: bool = True,
    deadline_seconds: float,
) -> Split:
    """Set these tags, leave the split as it is read just before, and return that split.

    With `waits=False` it returns once the service has accepted the write, on Azure some 20 s before that is done.
    Raises what `guard` raises, with nothing written.
    """

    def put() -> Split:
        endpoint = client.online_endpoints.get(name)
        if guard is not None:
            guard(endpoint)
        merged = {**lineage.tags_of(endpoint), **tags}
        if merged != lineage.tags_of(endpoint):
            endpoint.tags = merged
            update = client.online_endpoints.begin_create_or_update(endpoint)
            if waits:
                update.result(timeout=deadline_seconds)
        return split_of(endpoint)

    return wait.retrying(put, what=f"tags of {name}", deadline_seconds=deadline_seconds)


def _shares(given: Mapping[str, object] | None) -> dict[str, int]:
    return {slot: int(str(share)) for slot, share in (given or {}).items() if int(str(share))}


def check(live: Mapping[str, int], mirror: Mapping[str, int]) -> None:
    """Refuse what Azure would refuse, and what the SDK would let through (it sends a sum of 120)."""
    for slot, share in (*live.items(), *mirror.items()):
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
    guard: Guard | None = None,
    stays_seconds: float = 0.0,
    deadline_seconds: float,
    ready: Callable[[Mapping[str, int]], object] = lambda live: None,
) -> Split:
    """Make `live` (and `mirror`, none when not given) the endpoint's split, and return it as read back.

    `ready` is asked before anything is written, and raises when a deployment of the split cannot serve. Tags go out
    in the same write. An equal split with equal tags is left alone, so this can be run twice.

    Azure has no compare-and-swap on an endpoint: a writer that read before this write may put the old split after it.
    So whatever else is read back is written over again, until this split has been there for `stays_seconds`; a write
    that fails, and the reading back, have `deadline_seconds` each. An update that is under way shows the split before
    it for some 20 s: what is read meanwhile does not count. A write with a `guard` is one that gives way: it is made
    once, and not at all when the guard raises Moved; that is raised, too, when another split is there afterwards.
    """
    wanted = Split.of(live, mirror)
    check(wanted.live, wanted.mirror)
    ready({**wanted.live, **wanted.mirror})

    def put() -> Seen:
        endpoint = client.online_endpoints.get(name)
        found, merged = Seen.of(endpoint), {**lineage.tags_of(endpoint), **(tags or {})}
        if found.split == wanted and merged == lineage.tags_of(endpoint):
            return found
        if guard is not None:
            guard(endpoint)
        endpoint.traffic, endpoint.mirror_traffic, endpoint.tags = dict(wanted.live), dict(wanted.mirror), merged
        client.online_endpoints.begin_create_or_update(endpoint).result(timeout=deadline_seconds)
        return Seen.of(client.online_endpoints.get(name))

    def look() -> Seen:
        return put() if guard is None else Seen.of(client.online_endpoints.get(name))

    since: list[float] = []  # when the split was first seen as wanted; none while it is not

    def stays(seen: Seen) -> bool:
        if seen.split != wanted or seen.is_changing:
            since.clear()
            return False
        since.append(wait.clock())
        return since[-1] - since[0] >= stays_seconds

    what = f"traffic of {name}: wanted {wanted}"
    wait.retrying(put, what=what, deadline_seconds=deadline_seconds)
    try:
        return wait.until(
            lambda: wait.retrying(look, what=what, deadline_seconds=deadline_seconds),
            stays,
            what=what,
            deadline_seconds=deadline_seconds if guard is None else min(deadline_seconds, _GIVE_WAY_SECONDS),
            poll_seconds=_READ_BACK_POLL_SECONDS,
        ).split
    except Timeout as late:
        if guard is not None:
            raise Moved(str(late)) from late
        raise Timeout(f"{late}; run inv status, then try again") from late
