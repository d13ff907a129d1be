"""Release: from the newest production job to a tested deployment (rows 11 to 17, 19 and 20 of docs/flow.md)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ops import deployments, endpoints, lineage, progress, provisioning, scoring, traffic
from ops.console import Say
from ops.errors import Refused, TestFailed, UsageError
from ops.rollout import moves
from ops.rollout.position import Position

if TYPE_CHECKING:
    from azure.ai.ml import MLClient
    from azure.ai.ml.entities import Model, OnlineDeployment

PIPELINE = "model.skops"  # what serves a model that does not convert to a graph


@dataclass(frozen=True)
class Target:
    """Where a release goes, and how long it may take."""

    root: Path
    endpoint: str
    sample: Path  # the request that every deployment must answer
    deadline_seconds: float
    code: Path | None = None  # a folder of scoring code other than src/score

    def code_fingerprint(self) -> str:
        """Return what changes when the scoring code, its environment or the deployment's YAML changes."""
        code = self.code or self.root / "src" / "score"
        return lineage.fingerprint(code, self.root / "environment.yml", self.root / "azureml" / "deployment.yml")


@dataclass(frozen=True)
class Decision:
    """What a deploy is going to do: into which slot, or nothing, and why."""

    slot: str | None
    reason: str
    create: bool = True


def live_slot(deployed: Mapping[str, OnlineDeployment], split: traffic.Split) -> str | None:
    """Return the slot that has all the traffic, or None when none has any; Refused in the midst of a rollout."""
    serving = [slot for slot in deployed if split.share(slot)]
    if len(serving) > 1:
        raise Refused(f"a rollout is under way ({split}): finish it (inv rollout) or end it (inv rollback) first")
    return serving[0] if serving else None


def decide(
    deployed: Mapping[str, OnlineDeployment],
    split: traffic.Split,
    content: Mapping[str, str],
    slot: str | None,
    force: bool,
) -> Decision:
    """Choose the slot for `content` (the model and code tags), from what is deployed now. Pure.

    Nothing newer than what is live: nothing to do (row 19). Nothing live: blue, or the slot asked for. Otherwise the
    idle colour (rows 14, 20, 27); one that holds this very content and is up is not made again, only tested again.
    """
    live = live_slot(deployed, split)
    if slot is not None:
        deployments.check_slot(slot)
    if live is not None and slot == live:
        raise UsageError(
            f"{live} is live: a new version goes to {deployments.other(live)}, where no request reaches it yet"
        )
    if live is not None and not force and _holds(deployed[live], content):
        return Decision(None, f"{live} serves {content[lineage.MODEL]} with this code already: nothing newer to deploy")
    chosen = slot or (deployments.other(live) if live else _first_free(deployed, content))
    present = deployed.get(chosen)
    if present is not None and not force and _holds(present, content):
        return Decision(chosen, f"{chosen} holds {content[lineage.MODEL]} with this code already", create=False)
    return Decision(chosen, f"{content[lineage.MODEL]} goes to {chosen}")


def _holds(deployment: OnlineDeployment, content: Mapping[str, str]) -> bool:
    up = provisioning.state(deployment) in provisioning.SERVING
    return up and content.items() <= lineage.tags_of(deployment).items()


def _first_free(deployed: Mapping[str, OnlineDeployment], content: Mapping[str, str]) -> str:
    """Return blue on a new endpoint; where nothing is live, the slot that a run before this one left unfinished."""
    return next((slot for slot in deployments.SLOTS if slot in deployed and _holds(deployed[slot], content)), "blue")


def content_of(target: Target, model: Model) -> dict[str, str]:
    """Return the tags that tell one release from another, and lead back to where it came from."""
    return {lineage.MODEL: f"{model.name}:{model.version}", lineage.CODE: target.code_fingerprint()}


def check_libraries(model: Model, environment: str) -> None:
    """Refuse a pipeline that was made with other versions than it would be served with; Pure.

    A graph needs none of them. `environment` is the text of environment.yml; what it does not pin is not compared.
    """
    tags = lineage.tags_of(model)
    if tags.get(lineage.SERVED) != PIPELINE:
        return
    pins = dict(re.findall(r"^\s*-\s*([\w-]+)==(\S+)\s*$", environment, re.MULTILINE))
    made = {key.removeprefix(lineage.LIBRARY): value for key, value in tags.items() if key.startswith(lineage.LIBRARY)}
    apart = [
        f"{name} {made[name]}, not {pins[name]}" for name in sorted(made) if pins.get(name, made[name]) != made[name]
    ]
    if apart:
        raise Refused(
            f"{model.name}:{model.version} is a pipeline made with {'; '.join(apart)} as environment.yml has it: "
            "train again with that environment, or override with --force"
        )


def deploy(
    client: MLClient, target: Target, model: Model, say: Say, *, slot: str | None, force: bool, dry_run: bool
) -> Decision:
    """Bring the model up in the idle colour, test it there, and give a first deployment all the traffic.

    The test comes before any traffic, also on a new endpoint, so that no client ever reaches what failed it.
    Raises DeploymentFailed or TestFailed; the traffic then is what it was. Running it again goes on where it stopped.
    """
    content = content_of(target, model)

    def look() -> Decision:
        endpoint = endpoints.find(client, target.endpoint)
        deployed = deployments.listed(client, target.endpoint) if endpoint else {}
        split = traffic.split_of(endpoint)
        if endpoint and deployed and not force:
            moves.check_free(endpoint, Position.of(deployed, split))
        return decide(deployed, split, content, slot, force)

    decision = look()
    say(decision.reason + (" (dry run: nothing is changed)" if dry_run else ""))
    if decision.slot is None or dry_run:
        return decision
    endpoints.ensure(
        client, target.root / "azureml" / "endpoint.yml", target.endpoint, deadline_seconds=target.deadline_seconds
    )
    if decision.create:
        if not force:
            check_libraries(model, (target.root / "environment.yml").read_text())
        if look() != decision:
            raise Refused("what is deployed has changed since this run looked: run inv deploy again")
        _create(client, target, model, content, decision.slot, say)
    try:
        _test(client, target, decision.slot, say)
    except TestFailed:
        _take_off(client, target, decision.slot, say)
        raise
    # Read anew: to bring it up took minutes, in which somebody may have set a split.
    if not traffic.read(client, target.endpoint).live:
        written = traffic.write(client, target.endpoint, {decision.slot: 100}, deadline_seconds=target.deadline_seconds)
        say(f"traffic: {written}")
    return decision


def _create(client: MLClient, target: Target, model: Model, content: Mapping[str, str], slot: str, say: Say) -> None:
    origin = {
        lineage.JOB: lineage.tags_of(model).get(lineage.JOB, "none"),
        lineage.GIT: lineage.git_commit(target.root),
    }
    release = deployments.Release(
        file=target.root / "azureml" / "deployment.yml",
        endpoint=target.endpoint,
        model_id=f"azureml:{model.name}:{model.version}",
        tags={**content, **origin},
        code=target.code,
    )
    with progress.spinner(f"deployment {slot}") as update:
        deployments.create(client, slot, release, deadline_seconds=target.deadline_seconds, say=say, update=update)
    say(f"{slot}: up with {content[lineage.MODEL]}")


def _take_off(client: MLClient, target: Target, slot: str, say: Say) -> None:
    """Take the traffic off what was deployed and failed: none, unless it was given some while its code was uploaded."""
    split = traffic.read(client, target.endpoint)
    if not split.share(slot):
        return
    position = Position.of(deployments.listed(client, target.endpoint), split)
    # An older one was only tested again, and an only one leaves nowhere to go.
    if position.new == slot and position.old is not None:
        moves.restore(
            client,
            target.endpoint,
            position,
            "it failed the endpoint test",
            deadline_seconds=target.deadline_seconds,
            say=say,
        )


def _test(client: MLClient, target: Target, slot: str, say: Say) -> None:
    checks = scoring.test(target.root, scoring.address_of(client, target.endpoint), slot, target.sample)
    say(f"{slot}: passed all {len(checks)} checks of the endpoint test")
