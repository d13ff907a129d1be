"""Settings: invoke.yaml is checked once, and says what is wrong with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ops import settings
from ops.errors import UsageError

ROOT = Path(__file__).parents[2]


@pytest.fixture
def values() -> dict[str, Any]:
    """Return invoke.yaml as it is in the repository."""
    found: dict[str, Any] = yaml.safe_load((ROOT / "invoke.yaml").read_text())
    return found


def test_the_file_in_the_repository_is_valid(values: dict[str, Any]) -> None:
    """The shipped settings load, and mean the local workspace."""
    loaded = settings.load(values)
    assert loaded.is_local
    assert loaded.rollout.steps == (10, 25, 50, 100)
    assert loaded.poll_seconds == 0.5


def test_three_values_move_the_project_to_azure(values: dict[str, Any]) -> None:
    """Workspace, resource group and subscription are all it takes; then Azure's poll interval counts."""
    loaded = settings.load(values | {"workspace": "ml", "resource_group": "rg", "subscription": "id"})
    assert not loaded.is_local
    assert loaded.poll_seconds == 30


def test_a_step_lasts_as_long_as_a_live_minute_needs_on_azure(values: dict[str, Any]) -> None:
    """A minute begins within 60 s of a step, and is whole and old enough within 60 s and the lag more."""
    loaded = settings.load(values | {"workspace": "ml", "resource_group": "rg", "subscription": "id"})
    assert loaded.bake_seconds >= 60 + 60 + loaded.metrics_lag_seconds


def test_a_step_must_have_time_for_its_least_length(values: dict[str, Any]) -> None:
    """By how long it really lasts: five minutes are enough locally, and not on Azure."""
    short = values | {"rollout": {"step_minutes": 5}}
    assert settings.load(short).bake_seconds == 10
    with pytest.raises(UsageError, match=r"rollout\.step_minutes must be more than bake_seconds"):
        settings.load(short | {"workspace": "ml", "resource_group": "rg", "subscription": "id"})


@pytest.mark.parametrize(("chosen", "there", "lasts"), [(300, 10, 10), (2, 10, 2), (300, 0, 0)])
def test_the_local_workspace_keeps_steps_short(
    values: dict[str, Any], chosen: float, there: float, lasts: float
) -> None:
    """It does not wait for a live minute, and never makes a step longer than it was asked to be."""
    changed = {"rollout": {"bake_seconds": chosen}, "local": {"bake_seconds": there}}
    assert settings.load({**values, **changed}).bake_seconds == lasts


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("colour", "red", "colour is not a setting"),
        ("names.endpoint", "1-flight", "names.endpoint: must be 3 to 32"),
        ("names.endpoint", "ab", "names.endpoint"),
        ("names.endpoint", "a" * 33, "names.endpoint"),
        ("names.endpoint", "flights-", "names.endpoint"),
        ("names.colour", "red", "names.colour is not a setting"),
        ("train.model", "forest", "train.model"),
        ("train.holdout_share", 0.6, "train.holdout_share"),
        ("train.holdout_share", 0.01, "train.holdout_share"),
        ("rollout.steps", "50, 25, 100", "rollout"),
        ("rollout.steps", "10, 50", "end at 100"),
        ("rollout.steps", "10, 2.5, 100", "rollout.steps"),
        ("rollout.steps", "0, 100", "rollout.steps"),
        ("rollout.min_requests", 0, "rollout.min_requests"),
        ("rollout.mirror", 51, "rollout.mirror"),
        ("rollout.on_fail", "hope", "rollout.on_fail"),
        ("rollout.margin", 0.001, "margin must be more than tolerance"),
        ("rollout.step_minutes", 1 / 6, "rollout.step_minutes must be more than bake_seconds"),
        ("rollout.lease_minutes", 1, "lease_minutes must be more than checkpoint_seconds"),
        ("rollout.probes_per_second", 0, "rollout.probes_per_second"),
        ("wait.poll_seconds", 0, "wait.poll_seconds"),
        ("wait.operation_minutes", float("inf"), "wait.operation_minutes: Input should be a finite number"),
        ("wait.operation_minutes", 1e9, "wait.operation_minutes: Input should be less than or equal to 43200"),
        ("wait.job_minutes", "inf", "wait.job_minutes: Input should be a finite number"),
        ("wait.poll_seconds", 86401, "wait.poll_seconds: Input should be less than or equal to 86400"),
        ("rollout.lease_minutes", 1e12, "rollout.lease_minutes: Input should be less than or equal to 43200"),
        ("rollout.step_minutes", float("inf"), "rollout.step_minutes: Input should be a finite number"),
        ("rollout.step_minutes", 43201, "rollout.step_minutes: Input should be less than or equal to 43200"),
        ("rollout.bake_seconds", 1e300, "rollout.bake_seconds: Input should be less than or equal to 86400"),
        ("rollout.checkpoint_seconds", 1e300, "rollout.checkpoint_seconds: Input should be less"),
        ("rollout.metrics_lag_seconds", 1e300, "rollout.metrics_lag_seconds: Input should be less"),
        ("rollout.slow_ms", 1e300, "rollout.slow_ms: Input should be less than or equal to 600000"),
        ("rollout.min_requests", 10**400, "rollout.min_requests: Input should be less than or equal to 1000000000"),
        ("local.poll_seconds", 1e300, "local.poll_seconds: Input should be less than or equal to 86400"),
        ("local.metrics_lag_seconds", 1e300, "local.metrics_lag_seconds: Input should be less"),
        ("local.checkpoint_seconds", 1e300, "local.checkpoint_seconds: Input should be less"),
        ("local.folder", "a\0b", "local.folder: must not hold a NUL character"),
        ("data.live", "a\0b", "data.live: must not hold a NUL character"),
        ("workspace", "ml", "needs resource_group and subscription"),
        ("register.metric", "accuracy", "register.metric"),
    ],
)
def test_a_value_that_cannot_be_is_refused_by_name(values: dict[str, Any], path: str, value: Any, said: str) -> None:
    """The message names the key at fault."""
    section, *rest = path.split(".")
    changed = values | ({section: values[section] | {rest[0]: value}} if rest else {section: value})
    with pytest.raises(UsageError, match=said.replace(".", r"\.")) as caught:
        settings.load(changed)
    assert caught.value.exit_code == 2


def test_every_fault_is_named_at_once(values: dict[str, Any]) -> None:
    """Two faults give one message with both."""
    with pytest.raises(UsageError, match=r"colour is not a setting.*shape is not a setting"):
        settings.load(values | {"colour": 1, "shape": 2})


def test_lists_can_be_given_as_words(values: dict[str, Any]) -> None:
    """A variable of the environment holds text only, so lists are written with commas."""
    changed = values | {"train": values["train"] | {"drop": "id, note"}}
    assert settings.load(changed).train.inputs()["drop"] == "id,note"
    assert settings.load(values).train.inputs()["drop"] == "none"


def test_the_values_are_never_part_of_a_message(values: dict[str, Any]) -> None:
    """What somebody pasted into the wrong place does not land in a log."""
    with pytest.raises(UsageError) as caught:
        settings.load(values | {"wait": {"poll_seconds": "hunter2-secret"}})
    assert "hunter2" not in str(caught.value)


def test_the_yaml_for_azure_agrees_with_the_settings(values: dict[str, Any]) -> None:
    """azureml/*.yml can be sent with `az ml` as they are, and then mean what the tasks mean."""
    loaded = settings.load(values)
    for stage in ("dev", "prod"):
        job = yaml.safe_load((ROOT / "azureml" / f"job-{stage}.yml").read_text())
        inputs = dict(job["inputs"])
        assert Path("azureml") / inputs.pop("data")["path"] == Path("azureml") / ".." / getattr(loaded.data, stage)
        assert Path("azureml") / inputs.pop("holdout")["path"] == Path("azureml") / ".." / loaded.data.live
        assert inputs == loaded.train.inputs()
        assert job["experiment_name"] == loaded.names.experiment
        assert job["tags"]["stage"] == stage
    assert yaml.safe_load((ROOT / "azureml/endpoint.yml").read_text())["name"] == loaded.names.endpoint
    deployment = yaml.safe_load((ROOT / "azureml/deployment.yml").read_text())
    assert deployment["endpoint_name"] == loaded.names.endpoint
    assert deployment["model"] == f"azureml:{loaded.names.model}@latest"
    workers = deployment["environment_variables"]["WORKER_COUNT"]
    assert int(workers) == deployment["request_settings"]["max_concurrent_requests_per_instance"]


def test_environment_pins_are_those_of_the_lock() -> None:
    """The environment that trains and serves on Azure holds the versions that everything here is tested with."""
    pins = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"][-1]["pip"]
    locked = [line.split(" ")[0] for line in (ROOT / "requirements.txt").read_text().splitlines()]
    assert [pin for pin in pins if pin not in locked] == []
