"""Training: dev, then the gate, then production, then registration (rows 2 to 9 and 11 of docs/flow.md)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ops import comparison, csv_rows, jobs, lineage, models, progress
from ops.actions import warning
from ops.console import Say
from ops.errors import NotFound, Refused, UsageError

if TYPE_CHECKING:
    from azure.ai.ml import MLClient
    from azure.ai.ml.entities import Job, Model

DEV, PROD = "dev", "prod"
NO_MODEL = "no registered model: run training first (inv train-dev, then inv train-prod)"
REPORT, FORECAST = "report", "holdout.csv.gz"  # the output and the file with a job's forecast of the live rows


@dataclass(frozen=True)
class Plan:
    """What is trained, from where, and what it is told."""

    root: Path
    experiment: str
    data: Mapping[str, Path]
    inputs: Mapping[str, str | float]
    poll_seconds: float
    deadline_seconds: float
    sample: Path

    def fingerprint(self) -> str:
        """Return what must be equal for a dev success to vouch for a prod job: code, inputs, environment."""
        return lineage.fingerprint(self.root / "src" / "train", dict(self.inputs), self.root / "environment.yml")

    def folder(self, stage: str) -> Path:
        """Return the stage's data folder; UsageError when it holds no CSV file."""
        folder = self.root / self.data[stage]
        if not csv_rows.csv_files(folder):
            raise UsageError(f"data.{stage}: {self.data[stage]} is not a folder with CSV files")
        return folder

    def check_sample(self, stage: str) -> None:
        """Raise UsageError unless the sample request, which `inv deploy` tests with, has the columns of the data."""
        unlearned = {str(self.inputs[name]) for name in ("target", "time_column")}
        unlearned.update(str(self.inputs["drop"]).split(","))
        csv_rows.check_sample(self.sample, self.folder(stage), unlearned - {"none"})


def train(
    client: MLClient, plan: Plan, stage: str, say: Say, *, vouched: str | None = None, forced: bool = False
) -> Job:
    """Submit the stage's job and watch it to its end; return it completed.

    Refused when the code is no more what was `vouched` for: a person may have taken an hour to say yes.
    """
    fingerprint = plan.fingerprint()
    if vouched is not None and fingerprint != vouched:
        raise Refused(f"the code is {fingerprint} now, and {vouched} was approved: run inv train-dev, then this again")
    plan.check_sample(stage)
    tags = {lineage.FINGERPRINT: fingerprint, lineage.GIT: lineage.git_commit(plan.root)}
    if forced:
        tags[lineage.FORCED] = "trained without a dev success"
    submission = jobs.Submission(
        file=plan.root / "azureml" / f"job-{stage}.yml",
        stage=stage,
        experiment=plan.experiment,
        data=plan.folder(stage),
        holdout=plan.folder("live"),
        inputs=plan.inputs,
        tags=tags,
    )
    job = jobs.submit(client, submission)
    say(f"job {job.name}: submitted from {plan.data[stage]}")
    try:
        with progress.spinner(f"job {job.name}") as update:
            return jobs.watch(
                client,
                str(job.name),
                poll_seconds=plan.poll_seconds,
                deadline_seconds=plan.deadline_seconds,
                say=say,
                update=update,
            )
    except KeyboardInterrupt:
        say(f"job {job.name} goes on without this command; inv cancel --job {job.name} ends it")
        raise


def gate(client: MLClient, plan: Plan, fingerprint: str) -> Job:
    """Return the dev job that vouches for the code of this fingerprint; Refused when there is none (row 7)."""
    try:
        return jobs.completed(client, DEV, plan.experiment, fingerprint=fingerprint)
    except NotFound:
        raise Refused(
            f"no dev job of this code ({fingerprint}) has completed: run inv train-dev first, "
            "or inv train-prod --force, which is recorded"
        ) from None


def train_prod(client: MLClient, plan: Plan, say: Say, *, approve: Callable[[str], bool], force: bool) -> Job:
    """Train on the production data, if a dev success vouches for the code, or `force`, and a person says yes.

    `approve` is asked last, so that nobody vouches for what is refused anyway (rows 6 to 8).
    """
    fingerprint, ungated = plan.fingerprint(), False
    try:
        vouching = gate(client, plan, fingerprint)
        say(f"dev job {vouching.name} vouches for this code ({fingerprint})")
    except Refused:
        if not force:
            raise
        ungated = True
    if not approve(f"Train on {plan.data[PROD]} and register the model?"):
        raise Refused("not approved: nothing was submitted; answer yes, or give --yes")
    if ungated:
        warning("forced", f"{plan.data[PROD]} is trained on although no dev job of this code has completed")
    return train(client, plan, PROD, say, vouched=fingerprint, forced=ungated)


@dataclass(frozen=True)
class Rule:
    """By which loss a challenger is compared with the champion, and by how much it may be worse."""

    metric: comparison.Metric
    tolerance: float


def register(
    client: MLClient,
    plan: Plan,
    name: str,
    champion: Model | None,
    rule: Rule,
    say: Say,
    *,
    job: str | None,
    force: bool,
) -> Model:
    """Register `job`, or the newest completed prod job, and return its version (rows 9 and 11).

    A job that is registered already gives the same version again. Raises Refused for a challenger that is worse than
    the champion on the same live rows, beyond chance and the tolerance, and for a job that learned another target than
    the settings name, as of another project in the same experiment; NotFound when there is nothing to register.
    """
    try:
        done = jobs.completed_as(client, PROD, job) if job else jobs.completed(client, PROD, plan.experiment)
    except NotFound as absent:
        if job is not None:
            raise
        raise NotFound(NO_MODEL) from absent
    existing = models.of_job(models.versions(client, name), str(done.name))
    if existing is not None:
        say(f"model {name}:{existing.version} is job {done.name} already")
        return existing
    made = jobs.download(client, str(done.name), models.OUTPUT)
    foreign = _foreign(made, plan)
    if foreign and not force:
        raise Refused(f"{foreign}: inv train-prod trains anew, or override with inv register --job {done.name} --force")
    tags = models.tags_from(made.read_json("metrics.json")) | _origin(done)
    if foreign:
        tags[lineage.FORCED] = "; ".join(filter(None, (tags.get(lineage.FORCED), f"registered though {foreign}")))
    found = _compare(client, str(done.name), champion, rule.metric, say)
    if found is not None and found.is_worse(rule.tolerance):
        if not force:
            raise Refused(
                f"job {done.name} is worse than the champion by more than {rule.tolerance:g}, and is not registered: "
                f"keep the champion, or override with inv register --job {done.name} --force"
            )
        tags[lineage.FORCED] = "; ".join(filter(None, (tags.get(lineage.FORCED), "registered though worse")))
        say("registered though it is worse: forced")
    model = models.register(client, name, str(done.name), tags)
    say(f"model {name}:{model.version}: registered from job {done.name}")
    return model


def newest(client: MLClient, name: str, experiment: str, register: Callable[[str], Model] | None, say: Say) -> Model:
    """Return the newest version, registering the newest completed prod job first when it is not registered yet.

    A job that `register` refuses is left out, and so is one that waits where there is no `register` (a dry run).
    """
    registered = models.versions(client, name)
    latest = registered[-1] if registered else None
    try:
        job = str(jobs.completed(client, PROD, experiment).name)
    except NotFound:
        if latest is None:
            raise NotFound(NO_MODEL) from None
        return latest
    if latest is not None and models.of_job(registered, job):
        return latest
    if register is None:
        say(f"job {job} is not registered yet, and a dry run registers none: inv register, or inv deploy, does")
        if latest is None:
            raise NotFound("no registered model yet")
        return latest
    try:
        return register(job)
    except Refused as worse:
        if latest is None:
            raise
        say(f"{worse}. {name}:{latest.version} stays the newest")
        return latest


def _compare(
    client: MLClient, challenger: str, champion: Model | None, metric: comparison.Metric, say: Say
) -> comparison.Comparison | None:
    """Compare the two jobs' forecasts of the live rows; None, with the reason said, when they cannot be compared."""
    from azure.ai.ml.exceptions import MlException
    from azure.core.exceptions import ResourceNotFoundError

    if champion is None:
        say("no champion of this workspace to compare with")
        return None
    other = lineage.tags_of(champion).get(lineage.JOB, "")
    try:
        new, old = (
            comparison.Forecast.read(jobs.download(client, each, REPORT).read_lines(FORECAST))
            for each in (challenger, other)
        )
    except (NotFound, ValueError, ResourceNotFoundError, MlException) as missing:
        say(f"champion {champion.name}:{champion.version} cannot be compared with: {missing}")
        return None
    found = comparison.compare(new, old, metric)
    say(str(found) if found else f"champion {champion.name}:{champion.version} forecast other rows: not compared")
    return found


def _foreign(made: jobs.Output, plan: Plan) -> str:
    """Say what a job's model learned that is not what the plan names; "" when it is that, or does not say."""
    try:
        signature = made.read_json("signature.json")
    except NotFound:
        return ""
    learned, named = ([str(where.get(name)) for name in ("target", "positive")] for where in (signature, plan.inputs))
    if learned == named:
        return ""
    return f"job {made.job} learned {' = '.join(learned)}, the settings name {' = '.join(named)}"


def _origin(job: Job) -> dict[str, str]:
    tags = lineage.tags_of(job)
    kept = (lineage.FINGERPRINT, lineage.GIT, lineage.FORCED)
    return {key: tags[key] for key in kept if key in tags}
