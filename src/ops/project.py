"""The project as the tasks see it: settings checked once, one client, the plans made from them, the tasks' verbs."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ops import (
    champion,
    csv_rows,
    deployments,
    endpoints,
    jobs,
    lineage,
    models,
    release,
    scoring,
    training,
    variables,
    workspace,
)
from ops.actions import outputs
from ops.console import ask, hint_with, say
from ops.errors import UsageError
from ops.rollout import moves

if TYPE_CHECKING:
    from azure.ai.ml import MLClient
    from azure.ai.ml.entities import Job, Model

    from ops import traffic
    from ops.rollout.plan import Plan
    from ops.settings import Settings

ROOT = Path(__file__).parents[2]
_LIVE_ROWS = 20_000  # drawn for probes and replay; some tens of MB


class Project:
    """Settings, client and plans, each made when first asked for, and what the tasks do with them."""

    def __init__(self, values: Mapping[str, Any], root: Path = ROOT, command: str = "inv") -> None:
        """Check `values`, the mapping of invoke.yaml with its overrides; UsageError says what is wrong with it.

        `command` is what a shell must be told to have the same settings again.
        """
        from ops import settings

        self.root = root
        self.command = command
        self.settings: Settings = settings.load(values).rooted(root)
        self.sample = root / self.settings.data.sample
        self._signatures: dict[str, Any] = {}
        self.operation_seconds = self.settings.wait.operation_minutes * 60

    @cached_property
    def client(self) -> MLClient:
        """The workspace's client; a local workspace is started when it is not up."""
        return workspace.connect(self.settings)

    @property
    def endpoint(self) -> str:
        """The endpoint's name."""
        return self.settings.names.endpoint

    @property
    def training_plan(self) -> training.Plan:
        """What is trained, and how long that may take."""
        settings = self.settings
        return training.Plan(
            root=self.root,
            experiment=settings.names.experiment,
            data={"dev": settings.data.dev, "prod": settings.data.prod, "live": settings.data.live},
            inputs=settings.train.inputs(),
            poll_seconds=settings.poll_seconds,
            deadline_seconds=settings.wait.job_minutes * 60,
            sample=self.sample,
        )

    @property
    def target(self) -> release.Target:
        """Where a release goes."""
        return release.Target(self.root, self.endpoint, self.sample, self.operation_seconds)

    def rollout_plan(self, *, on_fail: str | None = None, mirror: int | None = None, stop_after: int = 100) -> Plan:
        """Return the rollout's plan: the settings, but for what was asked for this time."""
        from ops.rollout.plan import Plan, policy

        chosen = self.settings.rollout
        if stop_after not in chosen.steps:
            raise UsageError(f"--step {stop_after}: the steps are {', '.join(map(str, chosen.steps))}")
        return Plan(
            endpoint=self.endpoint,
            steps=chosen.steps,
            policy=policy(chosen),
            bake_seconds=self.settings.bake_seconds,
            min_requests=chosen.min_requests,
            step_seconds=chosen.step_minutes * 60,
            on_fail="pause" if (on_fail or chosen.on_fail) == "pause" else "rollback",
            on_deadline=chosen.on_deadline,
            checkpoint_seconds=self.settings.checkpoint_seconds,
            lease_seconds=chosen.lease_minutes * 60,
            deadline_seconds=self.operation_seconds,
            mirror=chosen.mirror if mirror is None else mirror,
            stop_after=stop_after,
        )

    @property
    def address(self) -> scoring.Address:
        """Where the endpoint is called, with its key."""
        return scoring.address_of(self.client, self.endpoint)

    def register(self, job: str | None, *, force: bool) -> Model:
        """Register a completed prod job (the newest when none is named), if it is no worse than the champion."""
        chosen, name = self.settings.register_, self.settings.names.model
        rule = training.Rule(chosen.metric, chosen.tolerance)
        best = champion.champion(self.client, name, self.endpoint)
        return training.register(self.client, self.training_plan, name, best, rule, say, job=job, force=force)

    def train_prod(self, *, approved: bool, force: bool) -> Job:
        """Train on the production data and register the model, if a dev success and a person allow it (rows 6 to 9)."""
        plan, approve = self.training_plan, (lambda question: approved or ask(question))
        job = training.train_prod(self.client, plan, say, approve=approve, force=force)
        model = self.register(str(job.name), force=force)
        outputs({"model_name": model.name, "model_version": model.version})
        return job

    def deploy(self, *, slot: str | None, version: str | None, dry_run: bool, force: bool) -> dict[str, Any]:
        """Deploy a version (the newest when none is named) to the idle colour, test it, say what came of it."""
        if slot is not None:
            deployments.check_slot(slot)
        scoring.read_request(self.sample)  # which its test sends, minutes from now
        model = self.newest_model(version, register=not dry_run)
        decision = release.deploy(self.client, self.target, model, say, slot=slot, force=force, dry_run=dry_run)
        where = {"slot": decision.slot, "model_version": model.version, "scoring_uri": self.scoring_uri()}
        outputs(where)
        return {**where, "endpoint": self.endpoint, "created": decision.create, "reason": decision.reason}

    def test(self, slot: str | None) -> list[scoring.Check]:
        """Run the endpoint test; TestFailed names the checks that failed."""
        return scoring.test(self.root, self.address, slot, self.sample)

    def test_by_hand(self, slot: str | None) -> list[scoring.Check]:
        """Run the endpoint test by itself; Refused while a rollout is at work."""
        moves.check_quiet(endpoints.get(self.client, self.endpoint))
        return self.test(slot)

    def shift(self, slot: str, percent: int, *, mirror: bool) -> traffic.Split:
        """Give `slot` a share of the traffic, or of copies."""
        copies, seconds = percent if mirror else None, self.operation_seconds
        return moves.shift(self.client, self.endpoint, slot, percent, copies, deadline_seconds=seconds, say=say)

    def rollback(self, *, unfinished: bool) -> traffic.Split:
        """Put all traffic back on the old colour; with `unfinished` only when a rollout broke off."""
        reason, seconds = "it broke off" if unfinished else "by hand", self.operation_seconds
        return moves.rollback(
            self.client, self.endpoint, reason, unfinished=unfinished, deadline_seconds=seconds, say=say
        )

    def cleanup(self, *, force: bool) -> dict[str, Any]:
        """Delete the colour without traffic; say which that was, None when there was none."""
        seconds = self.operation_seconds
        slot = moves.cleanup(self.client, self.endpoint, force=force, deadline_seconds=seconds, say=say)
        return {"deleted": slot}

    def cancel(self, job: str) -> dict[str, Any]:
        """Cancel a job, see it end, and say how."""
        jobs.cancel(self.client, job, deadline_seconds=self.operation_seconds)
        status = jobs.status(self.client.jobs.get(job))
        say(f"job {job}: {status}")
        return {"job": job, "status": status}

    def slot(self, name: str) -> str | None:
        """Return the name of a colour that is deployed, and None for ""; NotFound or UsageError for another name."""
        if not name:
            return None
        deployments.check_slot(name)
        deployments.check_deployed(self.client, self.endpoint, [name])
        return name

    def scoring_uri(self) -> str:
        """Return the scoring address, "" before there is an endpoint."""
        found = endpoints.find(self.client, self.endpoint)
        return str(found.scoring_uri) if found else ""

    def newest_model(self, version: str | None, *, register: bool = True) -> Model:
        """Return the version asked for, or the newest, which `training.newest` tells."""
        name, experiment = self.settings.names.model, self.settings.names.experiment
        if version is not None:
            return models.get(self.client, name, version)
        registering = (lambda job: self.register(job, force=False)) if register else None
        return training.newest(self.client, name, experiment, registering, say)

    def drift(self) -> dict[str, float]:
        """Return how far each column of the live rows is from what the live model learned from; {} with none live."""
        from ops import drift

        _, live = champion.live(self.client, self.settings.names.model, self.endpoint)
        job = lineage.tags_of(live).get(lineage.JOB) if live else None
        if job is None:
            return {}
        if job not in self._signatures:
            self._signatures[job] = jobs.download(self.client, job, models.OUTPUT).read_json("signature.json")
        return drift.by_column(self._signatures[job], list(csv_rows.columns_of(self.sample)), self.live_rows)

    @cached_property
    def live_rows(self) -> list[list[csv_rows.Cell]]:
        """Rows to ask about, drawn once from all of the live data."""
        return csv_rows.read(self.root / self.settings.data.live, self.sample, limit=_LIVE_ROWS)


def open_project(config: Any, own_keys: frozenset[str] = frozenset()) -> Project:
    """Return the project for Invoke's merged configuration, less the keys that are Invoke's own."""
    command = f"inv -f {shlex.quote(str(config._runtime_path))}" if config._runtime_path else "inv"
    hint_with(command)
    return Project(variables.merged(config, own_keys), command=command)
