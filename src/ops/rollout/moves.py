"""The moves of a person, and of the rollout too: shift, back, clean up (rows 23, 24, 26 of docs/flow.md)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ops import deployments, endpoints, lineage, models, traffic, wait
from ops.console import Say
from ops.errors import NotFound, OpsError, Refused, UsageError
from ops.rollout import lease, ledger
from ops.rollout.position import Position, was_rolled_back

if TYPE_CHECKING:
    from azure.ai.ml import MLClient
    from azure.ai.ml.entities import OnlineDeployment, OnlineEndpoint

# A rollout that is under way may have read just before a person's move, and write just after: the move must stay.
_STAYS_SECONDS = 1.0


def shift(
    client: MLClient, name: str, slot: str, percent: int, mirror: int | None, *, deadline_seconds: float, say: Say
) -> traffic.Split:
    """Give `slot` so much of the traffic and the other colour the rest; or let `slot` mirror `mirror` %.

    A mirror leaves the live traffic as it is. Refused for a deployment that has some of it.
    """
    rest = deployments.other(slot)
    live: Mapping[str, int] = {slot: percent, rest: 100 - percent}
    if mirror is not None:
        traffic.check({rest: 100}, {slot: mirror})
        live = traffic.split_of(endpoints.get(client, name)).live or {rest: 100}
        if mirror and live.get(slot):
            raise Refused(f"{slot} has {live[slot]} % of the live traffic: only a deployment without any can mirror it")
    split = traffic.write(
        client,
        name,
        live,
        {} if mirror is None else {slot: mirror},
        stays_seconds=_STAYS_SECONDS,
        deadline_seconds=deadline_seconds,
        ready=lambda shares: deployments.check_ready(client, name, shares),
    )
    say(f"traffic: {split}")
    return split


def rollback(
    client: MLClient, name: str, reason: str, *, unfinished: bool = False, deadline_seconds: float, say: Say
) -> traffic.Split:
    """Put all traffic on the old deployment, and return the split as read back (row 24).

    With `unfinished` only a rollout that broke off is undone; one that was paused, or has ended, stays as it is.
    """

    def look() -> tuple[OnlineEndpoint, Position, str]:
        endpoint, deployed = endpoints.get(client, name), deployments.listed(client, name)
        position = Position.of(deployed, traffic.split_of(endpoint))
        return endpoint, position, deployments.model_of(deployed[position.new])

    endpoint, position, model = wait.retrying(look, what=f"endpoint {name}", deadline_seconds=deadline_seconds)
    if unfinished:
        rollout = ledger.under_way(lineage.tags_of(endpoint), position.identity)
        if rollout is None or rollout["status"] != ledger.RUNNING or not position.share:
            say("no rollout has broken off: the traffic stays as it is")
            return traffic.split_of(endpoint)
    split = restore(
        client, name, position, reason, stays_seconds=_STAYS_SECONDS, deadline_seconds=deadline_seconds, say=say
    )
    remember(client, model, f"{position.new}: rolled back at {position.share} %: {reason}", say)
    return split


def remember(client: MLClient, model: str, outcome: str, say: Say) -> None:
    """Tag the model with what became of it; a workspace that does not answer now must not hide that."""
    from azure.core.exceptions import AzureError

    name, _, version = model.partition(":")
    try:
        models.remember(client, name, version, outcome)
    except (AzureError, OpsError) as fault:
        say(f"inv history will not show this outcome: {' '.join(str(fault).split())[:200]}")


def restore(
    client: MLClient,
    name: str,
    position: Position,
    reason: str,
    *,
    tags: Mapping[str, str] | None = None,
    stays_seconds: float = 0.0,
    deadline_seconds: float,
    say: Say,
) -> traffic.Split:
    """Put all traffic on the old deployment of a known position: one write and a read-back, tried until the deadline.

    It asks nothing else of the workspace, so it works while half of that is broken.
    """
    if position.old is None:
        raise NotFound(f"{position.new} is the only deployment: there is nothing to roll back to")
    bad = lineage.cut(f"{position.identity}: {reason}")
    split = traffic.write(
        client,
        name,
        {position.old: 100},
        tags={**(tags or {}), lineage.ROLLED_BACK: bad},
        stays_seconds=stays_seconds,
        deadline_seconds=deadline_seconds,
    )
    say(f"rolled back: {split}")
    return split


def check_quiet(endpoint: OnlineEndpoint) -> None:
    """Raise Refused while a rollout is at work: the endpoint test's bad requests would count in what it judges."""
    found = lease.read(lineage.tags_of(endpoint).get(lineage.LEASE))
    if found is not None and lease.is_held(found):
        raise Refused(
            f"{found.holder} is rolling out on this endpoint, until {found.until:%H:%M:%S} UTC at the latest: "
            "wait for it, or it takes this test's bad requests for failures"
        )


def check_free(endpoint: OnlineEndpoint, position: Position) -> None:
    """Raise Refused while a rollout is at work on the endpoint, or while it has not yet come to an end at 100 %.

    Until then the colour without traffic is what it would go back to.
    """
    tags = lineage.tags_of(endpoint)
    lease.check(lease.read(tags.get(lineage.LEASE)))
    rollout = ledger.under_way(tags, position.identity)
    if rollout is not None and rollout["step"] == position.share == 100:
        raise Refused(
            f"{position.new} has all the traffic, but its rollout is not over, and {position.old} is its way back: "
            "inv rollout goes on, inv rollback ends it; or override with --force"
        )


def cleanup(client: MLClient, name: str, *, force: bool, deadline_seconds: float, say: Say) -> str | None:
    """Delete the colour that has no traffic, and return its name; None when there is none (row 26).

    Refused while a split is on, while a rollout is at work or waits for its last verdict, and for a new deployment that
    still waits for its rollout, unless forced.
    """
    endpoint = endpoints.get(client, name)
    deployed = deployments.listed(client, name)
    split = traffic.split_of(endpoint)
    idle = [slot for slot in deployed if not split.share(slot)]
    if not idle:
        _refuse_a_split(deployed, split)
        say("nothing to clean up: every deployment has traffic")
        return None
    position = Position.of(deployed, split)
    if not force:
        check_free(endpoint, position)
    waiting = position.new in idle and position.old is not None and not was_rolled_back(endpoint, position.identity)
    if not force and (waiting or len(idle) == len(deployed)):
        raise Refused(f"{position.new} still waits for its traffic: inv rollout; or override with --force")
    slot = position.new if position.new in idle else idle[0]
    if split.mirror.get(slot):
        traffic.write(client, name, split.live, deadline_seconds=deadline_seconds)
    deployments.delete(client, name, slot, deadline_seconds=deadline_seconds)
    say(f"deleted {slot}")
    return slot


def _refuse_a_split(deployed: Mapping[str, OnlineDeployment], split: traffic.Split) -> None:
    if len(deployed) > 1:
        raise Refused(f"both colours have traffic ({split}): finish the rollout (inv rollout) or end it (inv rollback)")


def parse_percentage(text: str, option: str) -> int:
    """Return "25" as 25; UsageError for anything but a whole number from 0 to 100."""
    if len(text) > 3 or not text.isascii() or not text.isdigit() or not 0 <= int(text) <= 100:
        raise UsageError(f"{option} {text}: give a whole number from 0 to 100")
    return int(text)


def parse_shift(green: str | None, blue: str | None) -> tuple[str, int]:
    """Return which colour gets how much; UsageError unless exactly one is given."""
    given = {slot: text for slot, text in (("green", green), ("blue", blue)) if text is not None}
    if len(given) != 1:
        raise UsageError("give --green N or --blue N: the other colour gets the rest")
    [(slot, text)] = given.items()
    return slot, parse_percentage(text, f"--{slot}")
