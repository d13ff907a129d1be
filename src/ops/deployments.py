"""Deployments: the two colours of an endpoint, created, looked at, deleted."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ops import lineage, wait
from ops.errors import DeploymentFailed, NotFound, OpsError, Timeout, UsageError
from ops.provisioning import FAILED, SERVING, SUCCEEDED, state

if TYPE_CHECKING:
    from azure.ai.ml import MLClient
    from azure.ai.ml.entities import OnlineDeployment

SLOTS = ("blue", "green")
CONTAINERS = ("inference-server", "storage-initializer")
_LOG_LINES = 200
_SHOWN_LINES = 12
_EXCEPTION = re.compile(r"^[A-Za-z_][\w.]*(?:Error|Exception|Exit|Interrupt)(?:: .*)?$", re.MULTILINE)
_PROGRESS_SECONDS = 15.0  # between two lines in a log
_LOOK_SECONDS = 1.0  # between two looks where somebody watches


@dataclass(frozen=True)
class Release:
    """What goes into a slot: YAML with the size and the probes, the model, the scoring code, the tags."""

    file: Path
    endpoint: str
    model_id: str
    tags: Mapping[str, str]
    code: Path | None = None  # a folder other than the one in the YAML


def check_slot(slot: str) -> None:
    """Raise UsageError for what is no colour."""
    if slot not in SLOTS:
        raise UsageError(f'"{slot}" is not a slot: there are {" and ".join(SLOTS)}')


def other(slot: str) -> str:
    """Return the other colour."""
    check_slot(slot)
    return SLOTS[1 - SLOTS.index(slot)]


def listed(client: MLClient, endpoint: str) -> dict[str, OnlineDeployment]:
    """Return the endpoint's deployments by name; none when there is no endpoint."""
    from azure.core.exceptions import ResourceNotFoundError

    try:
        return {str(found.name): found for found in client.online_deployments.list(endpoint)}
    except ResourceNotFoundError:
        return {}


def deployed_at(deployment: OnlineDeployment) -> str:
    """Return when it was last deployed (ISO, UTC), from the tag that `create` wrote; "" when it did not."""
    return str(lineage.tags_of(deployment).get(lineage.DEPLOYED, ""))


def model_of(deployment: OnlineDeployment) -> str:
    """Return the model that it serves as name:version."""
    return str(lineage.tags_of(deployment).get(lineage.MODEL, "")) or _from_id(str(deployment.model or ""))


def _from_id(model: str) -> str:
    parts = model.split("/")
    return f"{parts[-3]}:{parts[-1]}" if len(parts) > 3 and parts[-2] == "versions" else model.removeprefix("azureml:")


def _deployment_time(deployed: Iterable[OnlineDeployment]) -> str:
    """Return `deployed_at` for a deployment made now: the time, or 1 ms after the newest other if this clock is behind.

    The one with the latest is the new deployment, and the one before it is where a rollback goes back to.
    """
    times = [datetime.now(UTC)]
    for deployment in deployed:
        with contextlib.suppress(ValueError):  # none, or a person's own words
            times.append(datetime.fromisoformat(deployed_at(deployment)).astimezone(UTC) + timedelta(milliseconds=1))
    return max(times).isoformat(timespec="milliseconds")


def check_deployed(client: MLClient, endpoint: str, slots: Iterable[str]) -> dict[str, OnlineDeployment]:
    """Return what `listed` does; NotFound when one of `slots` is not deployed."""
    deployed = listed(client, endpoint)
    for slot in slots:
        if slot not in deployed:
            has = ", ".join(sorted(deployed)) or "none"
            raise NotFound(f"endpoint {endpoint} has no deployment {slot}: it has {has}")
    return deployed


def check_ready(client: MLClient, endpoint: str, slots: Mapping[str, int]) -> dict[str, OnlineDeployment]:
    """Return what `listed` does; raise when one of `slots` is not there (NotFound) or cannot serve (OpsError)."""
    deployed = check_deployed(client, endpoint, slots)
    for slot in slots:
        if state(deployed[slot]) not in SERVING:
            raise OpsError(
                f"deployment {slot} is {state(deployed[slot])}, not {SUCCEEDED}: inv logs --slot {slot} says why"
            )
    return deployed


def create(
    client: MLClient,
    slot: str,
    release: Release,
    *,
    deadline_seconds: float,
    say: Callable[[str], None],
    update: Callable[[str], None] | None = None,
) -> OnlineDeployment:
    """Put the release into the slot and return the deployment once it is up.

    `update`, where somebody watches, is told the last line of the container's log. A failed deployment that is there is
    deleted first: Azure does not mend it in place. Raises DeploymentFailed with the container's log.
    """
    from azure.ai.ml import load_online_deployment
    from azure.core.exceptions import HttpResponseError

    check_slot(slot)
    deployed = listed(client, release.endpoint)
    previous = deployed.get(slot)
    if previous is not None and state(previous) == FAILED:
        say(f"{slot}: deleting the deployment that failed")
        delete(client, release.endpoint, slot, deadline_seconds=deadline_seconds)
    deployment: Any = load_online_deployment(release.file)
    deployment.name, deployment.endpoint_name, deployment.model = slot, release.endpoint, release.model_id
    if release.code is not None:
        deployment.code_configuration.code = str(release.code.resolve())
    deployment.tags = {
        **lineage.tags_of(deployment),
        **release.tags,
        lineage.DEPLOYED: _deployment_time(deployed.values()),
    }
    try:
        poller = wait.retrying(
            lambda: client.online_deployments.begin_create_or_update(deployment),
            what=f"deployment {slot}",
            deadline_seconds=deadline_seconds,
        )
        if update is None:
            _follow(poller, slot, deadline_seconds, _PROGRESS_SECONDS, say)
        else:
            _follow(poller, slot, deadline_seconds, _LOOK_SECONDS, _looking(client, release.endpoint, slot, update))
    except HttpResponseError as fault:
        if fault.status_code in (401, 403):
            raise
        raise DeploymentFailed(_failure(client, release.endpoint, slot, str(fault.message))) from fault
    made: OnlineDeployment = client.online_deployments.get(slot, release.endpoint)
    if state(made) != SUCCEEDED:
        raise DeploymentFailed(_failure(client, release.endpoint, slot, f"it is {state(made)}"))
    return made


def _looking(client: MLClient, endpoint: str, slot: str, update: Callable[[str], None]) -> Callable[[str], None]:
    return lambda said: update(last_words(client, endpoint, slot, lines=1) or said)


def _follow(poller: Any, slot: str, deadline_seconds: float, look_seconds: float, say: Callable[[str], None]) -> None:
    start = time.monotonic()
    while not poller.done():
        poller.wait(timeout=look_seconds)
        elapsed = time.monotonic() - start
        if not poller.done():
            say(f"{slot}: {poller.status()} ({wait.duration(elapsed)})")
            if elapsed > deadline_seconds:
                raise Timeout(f"deployment {slot}: not up after {wait.duration(elapsed)}; inv logs --slot {slot}")
    poller.result()


def _failure(client: MLClient, endpoint: str, slot: str, said: str) -> str:
    """Say what Azure said, in its first line, what the container died of, and the end of both containers' logs."""
    found = {container: last_words(client, endpoint, slot, container) for container in CONTAINERS}
    reason = cause(found[CONTAINERS[0]])
    parts = [f"deployment {slot} failed: {said.splitlines()[0] if said else 'no reason given'}"]
    parts += [f"the container died of {reason}"] if reason else []
    parts += [f"--- {container}\n{_end(text, _SHOWN_LINES)}" for container, text in found.items() if text]
    return "\n".join([*parts, f"inv logs --slot {slot} --lines 200 shows more"])


def cause(log: str) -> str:
    """Return the first exception of a log as its own line says it, "" when there is none.

    The first is the scoring script's own; those after it are the server's, raised because of it.

    >>> cause("Traceback (most recent call last):\\n  File x\\nOSError: no luck\\n\\nServerError: script failed")
    'OSError: no luck'
    """
    found = _EXCEPTION.search(log)
    return found.group(0) if found else ""


def _end(text: str, lines: int) -> str:
    return "\n".join(text.splitlines()[-lines:])


def logs(client: MLClient, endpoint: str, slot: str, container: str = CONTAINERS[0], lines: int = _LOG_LINES) -> str:
    """Return the last `lines` of a container's log; "" when there is no such deployment or no log yet."""
    from azure.core.exceptions import ResourceNotFoundError

    try:
        return str(client.online_deployments.get_logs(slot, endpoint, lines, container_type=container) or "").strip()
    except ResourceNotFoundError:
        return ""


def last_words(
    client: MLClient, endpoint: str, slot: str, container: str = CONTAINERS[0], lines: int = _LOG_LINES
) -> str:
    """Return what `logs` does, or "" when it cannot be read: it only adds detail to another message."""
    from azure.core.exceptions import AzureError

    try:
        return logs(client, endpoint, slot, container, lines)
    except AzureError:
        return ""


def delete(client: MLClient, endpoint: str, slot: str, *, deadline_seconds: float) -> None:
    """Delete the deployment and see that it is gone; one that is not there is fine."""
    from azure.core.exceptions import ResourceNotFoundError

    def deleted() -> bool:
        poller = client.online_deployments.begin_delete(slot, endpoint)
        poller.result(timeout=deadline_seconds)
        return bool(poller.done())

    try:
        ended = wait.retrying(deleted, what=f"deletion of {slot}", deadline_seconds=deadline_seconds)
    except ResourceNotFoundError:
        return
    if not ended:
        raise Timeout(f"deployment {slot}: its deletion has not ended after {wait.duration(deadline_seconds)}")
    if slot in listed(client, endpoint):
        raise OpsError(f"deployment {slot} is still there after its deletion: try again")
