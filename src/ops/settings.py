"""The settings of invoke.yaml, checked once.

`load` takes the merged mapping (file, then INVOKE_* variables) and answers a frozen model. Unknown keys and
impossible values are refused, each with its place in the file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from ops.errors import UsageError

LOCAL = "local"
# Azure's rule for names of endpoints.
NAME_RULE = re.compile(r"[a-zA-Z]([-a-zA-Z0-9]{1,30}[a-zA-Z0-9])")


def _endpoint_name(value: str) -> str:
    if not NAME_RULE.fullmatch(value):
        raise ValueError(
            "must be 3 to 32 letters, digits and hyphens, starting with a letter, not ending with a hyphen"
        )
    return value


def _words(value: object) -> object:
    """Read "a, b" as a list: a variable of the environment can hold nothing else."""
    return [word.strip() for word in value.split(",") if word.strip()] if isinstance(value, str) else value


def _plain(value: object) -> object:
    """Let `positive: 1` mean "1": a label is compared as text where its column is text."""
    if isinstance(value, bool):
        raise ValueError("YAML takes yes, no, true and false without quotes for something else: put it in quotes")
    return str(value) if isinstance(value, int | float) else value


def _no_nul(value: Path) -> Path:
    if "\0" in str(value):
        raise ValueError("must not hold a NUL character: no path can")
    return value


Place = Annotated[Path, AfterValidator(_no_nul)]
# Far beyond what anybody waits for, and well within what clocks and dates can hold: a day, and thirty.
_MOST_SECONDS, _MOST_MINUTES = 86_400, 43_200
Interval = Annotated[float, Field(gt=0, le=_MOST_SECONDS)]
Seconds = Annotated[float, Field(ge=0, le=_MOST_SECONDS)]
Minutes = Annotated[float, Field(gt=0, le=_MOST_MINUTES)]


class _Section(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", str_strip_whitespace=True, hide_input_in_errors=True, allow_inf_nan=False
    )


class Names(_Section):
    """What things are called in the workspace."""

    experiment: Annotated[str, Field(min_length=1)]
    model: Annotated[str, Field(pattern=r"^[a-zA-Z0-9][-_.a-zA-Z0-9]{0,254}$")]
    endpoint: Annotated[str, AfterValidator(_endpoint_name)]


class Data(_Section):
    """Folders of CSV files, and the sample request."""

    dev: Place
    prod: Place
    live: Place
    sample: Place = Path("src/score/sample-request.json")


class Train(_Section):
    """What the training job is told."""

    target: Annotated[str, Field(min_length=1)]
    positive: Annotated[str, BeforeValidator(_plain), Field(min_length=1)]
    drop: Annotated[tuple[str, ...], BeforeValidator(_words)] = ()
    time_column: Annotated[str, Field(min_length=1)] = "none"
    model: Literal["logistic", "boosted"] = "logistic"
    holdout_share: Annotated[float, Field(ge=0.05, le=0.5)] = 0.2

    def inputs(self) -> dict[str, str | float]:
        """Return the literal inputs of azureml/job-*.yml; "none" stands for nothing, as Azure takes no empty ones."""
        return {
            "target": self.target,
            "positive": self.positive,
            "drop": ",".join(self.drop) or "none",
            "time_column": self.time_column,
            "model": self.model,
            "holdout_share": self.holdout_share,
        }


class Register(_Section):
    """How a challenger is compared with the champion."""

    metric: Literal["log_loss", "brier"] = "log_loss"
    tolerance: Annotated[float, Field(ge=0, lt=1)] = 0.002


Percent = Annotated[int, Field(ge=1, le=100)]


class Rollout(_Section):
    """The steps of a rollout, and what each must show."""

    steps: Annotated[tuple[Percent, ...], BeforeValidator(_words)] = (10, 25, 50, 100)
    bake_seconds: Seconds = 300
    min_requests: Annotated[int, Field(ge=1, le=1_000_000_000)] = 100
    probes_per_second: Annotated[float, Field(gt=0, le=500)] = 20
    slow_ms: Annotated[float, Field(gt=0, le=600_000)] = 1000
    slower: Annotated[float, Field(ge=0, le=1000)] = 0.1
    tolerance: Annotated[float, Field(ge=0, lt=1)] = 0.001
    margin: Annotated[float, Field(gt=0, lt=1)] = 0.01
    alpha: Annotated[float, Field(ge=1e-9, lt=0.5)] = 0.01
    beta: Annotated[float, Field(ge=1e-9, lt=0.5)] = 0.05
    judge_disagreement: bool = False
    step_minutes: Minutes = 60
    on_fail: Literal["rollback", "pause"] = "rollback"
    on_deadline: Literal["rollback", "pause"] = "pause"
    mirror: Annotated[int, Field(ge=0, le=50)] = 0
    checkpoint_seconds: Interval = 60
    lease_minutes: Minutes = 15
    live_metrics: bool = True
    metrics_lag_seconds: Seconds = 180
    history_minutes: Annotated[int, Field(ge=0, le=1440)] = 60

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Rollout:
        if not self.steps or list(self.steps) != sorted(set(self.steps)) or self.steps[-1] != 100:
            raise ValueError("steps must rise and end at 100, as in 10, 25, 50, 100")
        if self.margin <= self.tolerance:
            raise ValueError(
                "margin must be more than tolerance: between the two, a release is neither harmful nor safe"
            )
        if self.checkpoint_seconds >= 60 * self.lease_minutes:
            raise ValueError(
                "lease_minutes must be more than checkpoint_seconds: the lease is renewed as often as that"
            )
        return self


class Wait(_Section):
    """How often to look, and when to give up."""

    poll_seconds: Interval = 30
    job_minutes: Minutes = 180
    operation_minutes: Minutes = 60


class Local(_Section):
    """The embedded workspace."""

    folder: Place = Path(".workspace")
    poll_seconds: Interval = 0.5
    bake_seconds: Seconds = 10
    metrics_lag_seconds: Seconds = 5
    checkpoint_seconds: Interval = 2


class Settings(_Section):
    """Everything that invoke.yaml says."""

    workspace: Annotated[str, Field(min_length=1)]
    resource_group: str = ""
    subscription: str = ""
    names: Names
    data: Data
    train: Train
    register_: Annotated[Register, Field(alias="register")] = Register()
    rollout: Rollout = Rollout()
    wait: Wait = Wait()
    local: Local = Local()

    @property
    def is_local(self) -> bool:
        """Whether the tasks work on the embedded workspace."""
        return self.workspace == LOCAL

    @property
    def bake_seconds(self) -> float:
        """How long a step lasts at least; the local workspace does not stretch it to a minute of live requests."""
        chosen = self.rollout.bake_seconds
        return min(chosen, self.local.bake_seconds) if self.is_local else chosen

    @property
    def checkpoint_seconds(self) -> float:
        """How often a rollout saves its evidence; the local workspace takes it more often, and its studio draws it."""
        chosen = self.rollout.checkpoint_seconds
        return min(chosen, self.local.checkpoint_seconds) if self.is_local else chosen

    @property
    def metrics_lag_seconds(self) -> float:
        """Seconds until a minute's metrics are whole."""
        return self.local.metrics_lag_seconds if self.is_local else self.rollout.metrics_lag_seconds

    @property
    def poll_seconds(self) -> float:
        """Seconds between two looks at a job."""
        return self.local.poll_seconds if self.is_local else self.wait.poll_seconds

    def rooted(self, root: Path) -> Settings:
        """Return the same settings with the local workspace's folder below `root`, wherever the command is run."""
        local = self.local.model_copy(update={"folder": (root / self.local.folder).resolve()})
        return self.model_copy(update={"local": local})

    @model_validator(mode="after")
    def _steps_have_time(self) -> Settings:
        if self.bake_seconds >= 60 * self.rollout.step_minutes:
            raise ValueError(
                "rollout.step_minutes must be more than bake_seconds: a step would be out of time before it is over"
            )
        return self

    @model_validator(mode="after")
    def _azure_has_an_address(self) -> Settings:
        if not self.is_local and not (self.resource_group and self.subscription):
            raise ValueError(f'workspace "{self.workspace}" needs resource_group and subscription too')
        return self


def load(values: Mapping[str, Any]) -> Settings:
    """Check `values` and return the settings; raise UsageError that names every key at fault."""
    try:
        return Settings.model_validate(dict(values))
    except ValidationError as fault:
        raise UsageError("settings: " + "; ".join(_explain(error) for error in fault.errors())) from None


def _explain(error: Any) -> str:
    place = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        return f"{place} is not a setting: invoke.yaml lists them all"
    if error["type"] == "missing":
        return f"{place} is missing"
    reason = str(error["msg"]).removeprefix("Value error, ")
    return f"{place}: {reason}" if place else reason
