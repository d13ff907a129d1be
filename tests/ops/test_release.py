"""Release: what is deployed and what is not, and the traffic of a first deployment."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from ops import deployments, endpoints, jobs, lineage, models, release, scoring, traffic
from ops.errors import NotFound, Refused, TestFailed
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
    monkeypatch.setattr(models, "versions", lambda *_: [SimpleNamespace(name="m", version="3", tags=None)])

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
    monkeypatch.setattr(models, "versions", lambda *_: [])
    with pytest.raises(Refused, match="late_job is worse"):
        project.newest_model(None)


def test_a_dry_run_says_what_it_leaves_out(project: Project, capfd: pytest.CaptureFixture[str]) -> None:
    """A job that the real run would register first."""
    assert project.newest_model(None, register=False).version == "3"
    assert "job late_job is not registered yet" in capfd.readouterr().out


def test_a_job_that_is_registered_is_not_compared_again(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest version is deployed, also when it is of an older job."""
    made = [SimpleNamespace(name="m", version=each, tags={lineage.JOB: job}) for each, job in
            (("3", "late_job"), ("4", "older_job"))]  # fmt: skip
    monkeypatch.setattr(models, "versions", lambda *_: made)
    assert project.newest_model(None).version == "4"


def test_what_a_registration_cannot_find_is_not_taken_for_no_job(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Metrics that are gone end the deployment, and no older model goes out in silence."""

    def gone(job: str, *, force: bool) -> Any:
        raise NotFound(f"{job} has no metrics.json")

    monkeypatch.setattr(project, "register", gone)
    with pytest.raises(NotFound, match=r"no metrics\.json"):
        project.newest_model(None)


class Endpoint:
    """An endpoint with nothing deployed, and what a release does to it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.done: list[str] = []
        self.later = traffic.Split({}, {})  # its split once the deployment is up
        self.fails: Exception | None = None  # the endpoint test, with this
        self.ensured = False
        self.meanwhile: dict[str, int] = {}  # its split once it was seen to
        for module, name, instead in (
            (endpoints, "find", lambda *_: self._itself()),
            (endpoints, "get", lambda *_: self._itself()),
            (endpoints, "ensure", lambda *_, **options: setattr(self, "ensured", True)),
            (endpoints, "key", lambda *_: "key"),
            (deployments, "listed", lambda *_: {}),
            (deployments, "create", lambda client, slot, *_, **options: self.done.append(f"create {slot}")),
            (scoring, "test", self._test),
            (traffic, "read", lambda *_: self.later),
            (traffic, "write", self._write),
        ):
            monkeypatch.setattr(module, name, instead)

    def _itself(self) -> Any:
        live = self.meanwhile if self.ensured else {}
        return SimpleNamespace(scoring_uri="http://127.0.0.1/score", traffic=live, mirror_traffic={}, tags={})

    def _test(self, root: Path, address: Any, slot: str, sample: Path) -> list[str]:
        self.done.append(f"test {slot}")
        if self.fails is not None:
            raise self.fails
        return ["it answers"]

    def _write(self, client: Any, name: str, live: dict[str, int], **options: Any) -> traffic.Split:
        self.done.append(f"traffic {live}")
        return traffic.Split(live, {})

    def deploy(self, model: Registered, *, force: bool = False, dry_run: bool = False) -> None:
        target = release.Target(ROOT, "flights", ROOT / "sample.json", deadline_seconds=1)
        given: Any = model
        client: Any = None
        release.deploy(client, target, given, lambda line: None, slot=None, force=force, dry_run=dry_run)


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Endpoint:
    """One without deployments and without traffic."""
    return Endpoint(monkeypatch)


GRAPH = Registered({"served": "model.onnx"})
OLD_PIPELINE = Registered({"served": "model.skops", "library.scikit-learn": "0.1"})
FIRST = ["create blue", "test blue", "traffic {'blue': 100}"]


def test_a_pipeline_of_another_version_than_environment_yml_pins_is_not_deployed(endpoint: Endpoint) -> None:
    """Nothing is created for it."""
    with pytest.raises(Refused, match=r"scikit-learn 0\.1, not "):
        endpoint.deploy(OLD_PIPELINE)
    assert endpoint.done == []


def test_a_pipeline_of_another_version_is_deployed_when_forced(endpoint: Endpoint) -> None:
    """As the message says."""
    endpoint.deploy(OLD_PIPELINE, force=True)
    assert endpoint.done == FIRST


def test_a_first_deployment_is_tested_and_then_given_all_the_traffic(endpoint: Endpoint) -> None:
    """In this order."""
    endpoint.deploy(GRAPH)
    assert endpoint.done == FIRST


def test_a_first_deployment_that_fails_its_test_gets_no_traffic(endpoint: Endpoint) -> None:
    """No client ever reaches it."""
    endpoint.fails = TestFailed("blue answers 500")
    with pytest.raises(TestFailed):
        endpoint.deploy(GRAPH)
    assert endpoint.done == ["create blue", "test blue"]


def test_what_changed_before_the_deployment_is_looked_at_anew(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody gave a colour traffic while the endpoint was seen to: it is not replaced."""
    there = {slot: SimpleNamespace(tags={}, provisioning_state="Succeeded", model="") for slot in ("blue", "green")}
    monkeypatch.setattr(deployments, "listed", lambda *_: there if endpoint.ensured else {})
    for live, said in (({"blue": 100}, "has changed since this run looked"), ({"green": 90, "blue": 10}, "under way")):
        endpoint.ensured, endpoint.meanwhile = False, live
        with pytest.raises(Refused, match=said):
            endpoint.deploy(GRAPH, force=True)
    assert endpoint.done == []


def test_what_fails_its_test_with_traffic_loses_it(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rollout gave it some while its code was uploaded: nobody need find out by evidence."""
    there = {"green": Registered({"deployed_at": "1"}), "blue": Registered({"deployed_at": "2"})}
    monkeypatch.setattr(deployments, "listed", lambda *_: there if endpoint.done else {})
    endpoint.later, endpoint.fails = traffic.Split({"green": 90, "blue": 10}, {}), TestFailed("blue answers 500")
    with pytest.raises(TestFailed):
        endpoint.deploy(GRAPH)
    assert endpoint.done == ["create blue", "test blue", "traffic {'green': 100}"]


@pytest.mark.parametrize("others", [{}, {"green": Registered({"deployed_at": "3"})}], ids=["none", "a newer one"])
def test_what_fails_its_test_is_not_put_back_to_what_is_not_older(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch, others: dict[str, Registered]
) -> None:
    """An only deployment, and one that is not the new one: why it failed is what is told, and nothing is moved."""
    there = {"blue": Registered({"deployed_at": "2"}), **others}
    monkeypatch.setattr(deployments, "listed", lambda *_: there if endpoint.done else {})
    endpoint.later, endpoint.fails = traffic.Split({"blue": 100}, {}), TestFailed("blue answers 500")
    with pytest.raises(TestFailed):
        endpoint.deploy(GRAPH)
    assert endpoint.done == ["create blue", "test blue"]


def test_a_split_that_somebody_set_while_the_deployment_came_up_stays(endpoint: Endpoint) -> None:
    """The traffic is read anew, and is not taken for none because it was none minutes ago."""
    endpoint.later = traffic.Split({"green": 100}, {})
    endpoint.deploy(GRAPH)
    assert endpoint.done == ["create blue", "test blue"]


def test_a_dry_run_changes_nothing(endpoint: Endpoint) -> None:
    """It only says what would be done."""
    endpoint.deploy(GRAPH, dry_run=True)
    assert endpoint.done == []
