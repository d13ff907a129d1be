"""Registration: what passes the champion gate, what does not, and what is said of it."""

from __future__ import annotations

import gzip
import json
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ops import comparison, jobs, lineage, models, training
from ops.errors import NotFound, Refused

ROWS = 500
PLAN = training.Plan(Path("."), "flights", {}, {}, poll_seconds=0.1, deadline_seconds=1, sample=Path("sample.json"))
CHAMPION = SimpleNamespace(name="m", version="3", tags={lineage.JOB: "old"})


def forecast(noise: float, seed: int = 7) -> list[str]:
    """Return a forecast file that is off by `noise`; the outcomes are the same for the same seed."""
    true, chance = random.Random(seed), random.Random(1)
    rates = [true.uniform(0.05, 0.6) for _ in range(ROWS)]
    outcomes = [int(true.random() < rate) for rate in rates]
    seen = [min(max(rate + chance.gauss(0, noise), 0.01), 0.99) for rate in rates]
    return ["outcome,probability", *(f"{outcome},{rate}" for outcome, rate in zip(outcomes, seen, strict=True))]


GOOD, NOISY, ELSEWHERE = forecast(0.02), forecast(0.4), forecast(0.02, seed=8)


class Registry:
    """The jobs, their files and the registered models, as far as a registration asks for them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.forecasts: dict[str, list[str]] = {}
        self.damaged: set[str] = set()
        self.completed: dict[str, dict[str, str]] = {"new": {lineage.FINGERPRINT: "f1", "stage": "prod"}}
        self.signature: dict[str, Any] = {}
        self.versions: list[Any] = []
        self.registered: list[tuple[str, str, dict[str, str]]] = []
        self.said: list[str] = []
        self.downloaded: Counter[tuple[str, str]] = Counter()
        for module, name in (
            (jobs, "completed"), (jobs, "completed_as"), (jobs, "download"), (models, "versions"), (models, "register"),
        ):  # fmt: skip
            monkeypatch.setattr(module, name, getattr(self, f"_{name}"))

    def _completed(self, client: Any, stage: str, experiment: str) -> Any:
        assert (stage, experiment) == ("prod", "flights")
        if not self.completed:
            raise NotFound("no prod job has completed")
        return self._completed_as(client, stage, list(self.completed)[-1])

    def _completed_as(self, client: Any, stage: str, name: str) -> Any:
        assert stage == "prod"
        if name not in self.completed:
            raise NotFound(f"job {name} is not there")
        return SimpleNamespace(name=name, tags=self.completed[name])

    def _download(self, client: Any, job: str, output: str) -> jobs.Output:
        self.downloaded[job, output] += 1
        files = {}
        if output == "model":
            assert job in self.completed
            files["metrics.json"] = b'{"served": "model.onnx"}'
            if self.signature:
                files["signature.json"] = json.dumps(self.signature).encode()
        elif job in self.forecasts:
            packed = gzip.compress("\n".join(self.forecasts[job]).encode())
            files["holdout.csv.gz"] = packed[:-9] if job in self.damaged else packed
        return jobs.Output(job, output, files)

    def _versions(self, client: Any, name: str) -> list[Any]:
        return self.versions

    def _register(self, client: Any, name: str, job: str, tags: dict[str, str]) -> Any:
        self.registered.append((name, job, tags))
        return SimpleNamespace(name=name, version="4", tags=tags)

    def register(
        self,
        champion: Any = CHAMPION,
        *,
        job: str | None = None,
        force: bool = False,
        tolerance: float = 0.002,
        metric: comparison.Metric = "log_loss",
        plan: training.Plan = PLAN,
    ) -> Any:
        rule = training.Rule(metric, tolerance)
        client: Any = None
        return training.register(client, plan, "m", champion, rule, self.said.append, job=job, force=force)


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Registry:
    """A workspace with one completed production job, "new", and no forecasts."""
    return Registry(monkeypatch)


def test_a_challenger_that_is_worse_than_the_champion_is_refused(registry: Registry) -> None:
    """Nothing is registered, and the message says how to do it all the same."""
    registry.forecasts = {"new": NOISY, "old": GOOD}
    with pytest.raises(Refused, match=r"job new is worse than the champion .* inv register --job new --force"):
        registry.register()
    assert registry.registered == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, "registered though worse"),
        ({lineage.FORCED: "trained without a dev success"}, "trained without a dev success; registered though worse"),
    ],
)
def test_a_worse_challenger_that_is_forced_carries_a_tag_that_says_so(
    registry: Registry, before: dict[str, str], after: str
) -> None:
    """It stands beside what was forced before."""
    registry.forecasts = {"new": NOISY, "old": GOOD}
    registry.completed["new"] |= before
    assert registry.register(force=True).version == "4"
    assert registry.registered[0][2][lineage.FORCED] == after
    assert "registered though it is worse: forced" in registry.said


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize(("new", "old"), [(GOOD, GOOD), (GOOD, NOISY)], ids=["equal", "better"])
def test_a_challenger_that_is_not_worse_is_registered(
    registry: Registry, new: Sequence[str], old: Sequence[str], force: bool
) -> None:
    """With the job's own tags and what its metrics give, and none that says forced, also where that was allowed."""
    registry.forecasts = {"new": list(new), "old": list(old)}
    registry.register(force=force)
    ((name, job, tags),) = registry.registered
    assert (name, job, tags[lineage.FINGERPRINT], tags[lineage.SERVED]) == ("m", "new", "f1", "model.onnx")
    assert lineage.FORCED not in tags
    assert "stage" not in tags


def test_a_challenger_that_is_worse_within_the_tolerance_is_registered(registry: Registry) -> None:
    """The tolerance of the rule counts."""
    registry.forecasts = {"new": NOISY, "old": GOOD}
    registry.register(tolerance=5.0)
    assert len(registry.registered) == 1


@pytest.mark.parametrize("metric", ["log_loss", "brier"])
def test_the_comparison_is_said_in_the_metric_of_the_rule(registry: Registry, metric: comparison.Metric) -> None:
    """Before the outcome, and with the number of rows."""
    registry.forecasts = {"new": GOOD, "old": GOOD}
    registry.register(metric=metric)
    assert registry.said[0].startswith(f"{metric} on the same 500 rows: challenger ")
    assert registry.said[-1] == "model m:4: registered from job new"


def test_a_champion_without_a_forecast_does_not_stand_in_the_way(registry: Registry) -> None:
    """The challenger is registered, and that it was not compared is said."""
    registry.forecasts = {"new": NOISY}
    registry.register()
    assert len(registry.registered) == 1
    assert "champion m:3 cannot be compared with: job old: its output report holds no holdout.csv.gz" in registry.said


def test_a_champion_that_forecast_other_rows_is_not_compared(registry: Registry) -> None:
    """Other outcomes mean another holdout: the challenger is registered, and that is said."""
    registry.forecasts = {"new": NOISY, "old": ELSEWHERE}
    registry.register()
    assert len(registry.registered) == 1
    assert "champion m:3 forecast other rows: not compared" in registry.said


def test_the_first_model_has_no_champion_to_beat(registry: Registry) -> None:
    """It is registered whatever it forecast."""
    registry.forecasts = {"new": NOISY}
    registry.register(champion=None)
    assert len(registry.registered) == 1
    assert registry.said[0] == "no champion of this workspace to compare with"


def test_a_champion_whose_forecast_is_damaged_is_said(registry: Registry) -> None:
    """It cannot be compared with, and does not stop what comes after it."""
    registry.forecasts = {"new": GOOD, "old": GOOD}
    registry.damaged = {"old"}
    registry.register()
    assert "champion m:3 cannot be compared with: job old: holdout.csv.gz of its output report" in registry.said[0]
    assert len(registry.registered) == 1


def test_each_output_is_downloaded_once(registry: Registry) -> None:
    """A model may be large, and the SDK can only download an output whole."""
    registry.forecasts = {"new": GOOD, "old": GOOD}
    registry.register()
    assert registry.downloaded == {("new", "model"): 1, ("new", "report"): 1, ("old", "report"): 1}


def test_row_7_code_that_was_changed_since_it_was_vouched_for_is_refused() -> None:
    """A person may take an hour to say yes; nothing is submitted."""
    nobody: Any = None
    with pytest.raises(Refused, match=f"the code is {PLAN.fingerprint()} now, and another was approved"):
        training.train(nobody, PLAN, training.PROD, print, vouched="another")


@pytest.mark.parametrize("learned", [{"target": "kind", "positive": "1"}, {"target": "late", "positive": "0"}])
def test_a_job_that_learned_another_target_is_not_registered(registry: Registry, learned: dict[str, str]) -> None:
    """Another project may share the experiment, and the target may have changed since."""
    registry.signature = learned
    plan = replace(PLAN, inputs={"target": "late", "positive": "1", "model": "logistic"})
    said = f"job new learned {learned['target']} = {learned['positive']}, the settings name late = 1: inv train-prod"
    with pytest.raises(Refused, match=said):
        registry.register(plan=plan)
    assert registry.registered == []
    registry.register(plan=plan, force=True)
    registry.signature = dict(plan.inputs)
    registry.register(plan=plan)
    assert len(registry.registered) == 2


def test_a_job_that_is_registered_already_is_not_registered_twice(registry: Registry) -> None:
    """Its version is returned as it is, also when it is worse than today's champion."""
    registry.forecasts = {"new": NOISY, "old": GOOD}
    registry.versions = [SimpleNamespace(name="m", version="2", tags={lineage.JOB: "new"}), CHAMPION]
    assert registry.register() is registry.versions[0]
    assert registry.registered == []
    assert registry.said == ["model m:2 is job new already"]


def test_the_job_that_is_named_is_the_one_that_is_registered(registry: Registry) -> None:
    """Not the newest."""
    registry.completed = {"earlier": {}, "new": {}}
    registry.register(job="earlier")
    assert registry.registered[0][1] == "earlier"


@pytest.mark.parametrize(("job", "message"), [(None, "run training first"), ("lost", "job lost is not there")])
def test_row_12_without_a_job_there_is_nothing_to_register(registry: Registry, job: str | None, message: str) -> None:
    """What to do when none was named; which one is missing when one was."""
    registry.completed = {}
    with pytest.raises(NotFound, match=message):
        registry.register(job=job)
