"""Release: a pipeline is not served with other versions than it was made with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from ops import jobs, models, release
from ops.errors import NotFound, Refused
from ops.project import Project

ROOT = Path(__file__).parents[2]

ENVIRONMENT = """dependencies:
  - python=3.11
  - pip:
      - scikit-learn==1.9.1
      - onnxruntime==1.32.0
"""


@dataclass
class Registered:
    """As much of the SDK's model as the rule looks at."""

    tags: dict[str, str]
    name: str = "m"
    version: str = "1"


def check(served: str, **libraries: str) -> None:
    tags = {f"library.{name.replace('_', '-')}": version for name, version in libraries.items()}
    release.check_libraries(Registered({"served": served, **tags}), ENVIRONMENT)  # type: ignore[arg-type]


def test_a_pipeline_of_another_version_is_refused_by_name() -> None:
    """The versions are in the message, and what to do."""
    with pytest.raises(Refused, match=r"scikit-learn 1\.7\.2, not 1\.9\.1"):
        check("model.skops", scikit_learn="1.7.2")


def test_a_pipeline_of_the_same_version_is_served() -> None:
    """What the environment does not pin is not compared."""
    check("model.skops", scikit_learn="1.9.1", pandas="9.9")


def test_a_graph_needs_none_of_the_libraries() -> None:
    """It is a graph, not code: made with any version, it is served."""
    check("model.onnx", scikit_learn="1.0")


@pytest.fixture
def project(monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project whose newest production job is worse than the champion, version 3."""
    made = Project(yaml.safe_load((ROOT / "invoke.yaml").read_text()))
    monkeypatch.setitem(made.__dict__, "client", None)
    monkeypatch.setattr(jobs, "completed", lambda *_: SimpleNamespace(name="late_job"))
    monkeypatch.setattr(models, "latest", lambda *_: SimpleNamespace(name="m", version="3"))
    monkeypatch.setattr(models, "of_job", lambda *_: None)

    def worse(job: str, *, force: bool) -> Any:
        assert not force
        raise Refused(f"job {job} is worse")

    monkeypatch.setattr(made, "register", worse)
    return made


def test_row_11_a_challenger_that_is_refused_does_not_stand_in_the_way(
    project: Project, capfd: pytest.CaptureFixture[str]
) -> None:
    """The newest version that there is can still be deployed, and the refusal is said."""
    assert project.newest_model(None).version == "3"
    assert "job late_job is worse. flight-delays:3 stays the newest" in capfd.readouterr().out


def test_row_12_without_any_model_the_refusal_is_the_end(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is nothing else to deploy."""
    monkeypatch.setattr(models, "latest", lambda *_: None)
    with pytest.raises(Refused, match="late_job is worse"):
        project.newest_model(None)


def test_a_dry_run_says_what_it_leaves_out(project: Project, capfd: pytest.CaptureFixture[str]) -> None:
    """A job that the real run would register first."""
    assert project.newest_model(None, register=False).version == "3"
    assert "job late_job is not registered yet" in capfd.readouterr().out


def test_what_a_registration_cannot_find_is_not_taken_for_no_job(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Metrics that are gone end the deployment, and no older model goes out in silence."""

    def gone(job: str, *, force: bool) -> Any:
        raise NotFound(f"{job} has no metrics.json")

    monkeypatch.setattr(project, "register", gone)
    with pytest.raises(NotFound, match=r"no metrics\.json"):
        project.newest_model(None)
