"""Registered models: one version a production job, found again by its tags."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ops import lineage
from ops.errors import NotFound

if TYPE_CHECKING:
    from azure.ai.ml import MLClient
    from azure.ai.ml.entities import Model

OUTPUT = "model"  # the output of azureml/job-*.yml that holds the model's files
LOWER_IS_BETTER = frozenset({"log_loss", "brier", "calibration_error"})
_OUTCOMES = 10


def versions(client: MLClient, name: str) -> list[Model]:
    """Return every version of the model, oldest first; versions are numbers in text, and are ordered as numbers."""
    from azure.core.exceptions import ResourceNotFoundError

    try:
        found = list(client.models.list(name=name))
    except ResourceNotFoundError:
        return []
    return sorted(found, key=lambda model: number(model.version))


def number(version: str | None) -> int:
    """Return a version as a number; one that was given a name by hand counts as older than all."""
    return int(version) if version and version.isdigit() else -1


def latest(client: MLClient, name: str) -> Model | None:
    """Return the newest version, or None."""
    found = versions(client, name)
    return found[-1] if found else None


def get(client: MLClient, name: str, version: str) -> Model:
    """Return that version; NotFound says which there are."""
    from azure.core.exceptions import ResourceNotFoundError

    with suppress(ResourceNotFoundError):
        if lineage.is_name(version):
            return client.models.get(name, version=version)
    there = ", ".join(str(model.version) for model in versions(client, name)) or "none"
    raise NotFound(f"model {name} has no version {version}; there are: {there}")


def of_job(registered: Iterable[Model], job: str) -> Model | None:
    """Return the version that was registered from `job`, or None."""
    return next((model for model in registered if lineage.tags_of(model).get(lineage.JOB) == job), None)


def register(client: MLClient, name: str, job: str, tags: Mapping[str, str]) -> Model:
    """Register the job's model output as the next version, or return the version that it already is.

    Looked at just before: while one runner compares models, another may register the same job.
    """
    existing = of_job(versions(client, name), job)
    if existing is not None:
        return existing
    from azure.ai.ml.constants import AssetTypes
    from azure.ai.ml.entities import Model

    return client.models.create_or_update(
        Model(
            name=name,
            path=f"azureml://jobs/{job}/outputs/{OUTPUT}",
            type=AssetTypes.CUSTOM_MODEL,
            tags={**tags, lineage.JOB: job},
        )
    )


def remember(client: MLClient, name: str, version: str, outcome: str) -> None:
    """Add how a rollout of the version ended to its tags; the newest ten are kept, and all else about it stays."""
    model = get(client, name, version)
    tags = lineage.tags_of(model)
    outcomes = {key: value for key, value in tags.items() if key.startswith(lineage.OUTCOME)}
    outcomes[f"{lineage.OUTCOME}{datetime.now(UTC):%Y-%m-%dT%H%M%SZ}"] = lineage.cut(outcome)
    forgotten = sorted(outcomes)[:-_OUTCOMES]
    model.tags = {key: value for key, value in {**tags, **outcomes}.items() if key not in forgotten}
    client.models.create_or_update(model)


def outcomes(model: Model) -> dict[str, str]:
    """Return how the rollouts of a version ended, by their time in UTC, newest first."""
    found = {key.removeprefix(lineage.OUTCOME): value for key, value in lineage.tags_of(model).items()
             if key.startswith(lineage.OUTCOME)}  # fmt: skip
    return dict(sorted(found.items(), reverse=True))


def tags_from(metrics: Mapping[str, Any]) -> dict[str, str]:
    """Return the tags that a job's metrics.json gives its model: metrics, rows, libraries, what is served.

    The metrics on the live rows are there when the job measured them; those of its own split stand beside.
    """
    holdout = metrics.get("holdout") or {}
    tags = {f"{lineage.METRIC}{key}": _short(value) for key, value in holdout.items() if isinstance(value, float)}
    split = metrics.get("split") or {}
    tags |= {f"{lineage.METRIC}split.{key}": _short(value) for key, value in split.items() if isinstance(value, float)}
    tags |= {f"{lineage.LIBRARY}{key}": str(value) for key, value in (metrics.get("libraries") or {}).items()}
    tags[lineage.HOLDOUT] = str(holdout.get("fingerprint", "none"))[:16]
    data = metrics.get("data") or {}
    tags[lineage.DATA] = str(data.get("fingerprint", "none"))[:16]
    span = {lineage.ROWS: data.get("rows"), lineage.FIRST: data.get("first"), lineage.LAST: data.get("last")}
    tags |= {key: str(value) for key, value in span.items() if value is not None}
    tags[lineage.SERVED] = str(metrics.get("served", ""))
    tags[lineage.ALGORITHM] = str(metrics.get("model", ""))
    return {key: lineage.cut(value) for key, value in tags.items()}


def _short(value: float) -> str:
    return f"{value:.6g}"
