"""What a reviewer is shown: the comparison, which is pure; tests/workflows sees it on the run's page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from endpoint import Client, Resource

from ops import approval, champion, models
from ops.errors import NotFound

DEV = {"metric.auc": "0.70", "metric.brier": "0.20", "metric.split.auc": "0.9", "holdout": "a", "algorithm": "logistic"}


def test_the_better_one_is_named_by_the_metric_s_own_sense() -> None:
    """A higher AUC and a lower Brier score are better; metrics of a job's own split are not compared."""
    rows, note = approval.compared(DEV, {"metric.auc": "0.68", "metric.brier": "0.18", "holdout": "a"})
    assert [(row["metric"], row["better"]) for row in rows] == [("auc", "dev"), ("brier", "live")]
    assert note == approval.ON_LIVE_ROWS


def test_a_metric_that_only_one_has_is_left_out() -> None:
    """A model of an older version of the training may have measured less."""
    rows, _ = approval.compared(DEV, {"metric.auc": "0.70", "holdout": "a"})
    assert [(row["metric"], row["better"]) for row in rows] == [("auc", "same")]


def test_other_rows_are_said_to_be_others() -> None:
    """Numbers from different rows stand there with a warning."""
    assert approval.compared(DEV, {"metric.auc": "0.5", "holdout": "b"})[1] == approval.ON_OTHER_ROWS


def test_nothing_live_is_said() -> None:
    """The first approval of all has the dev model's metrics alone."""
    rows, note = approval.compared(DEV, None)
    assert rows[0] == {"metric": "auc", "dev": 0.7}
    assert note == approval.NOTHING_LIVE


def test_a_live_model_without_metrics_is_not_nothing() -> None:
    """Registered by hand, or of another workspace: it is live, and cannot be compared with."""
    for dev in (DEV, {"metric.auc": "0.7"}):
        rows, note = approval.compared(dev, {})
        assert rows[0] == {"metric": "auc", "dev": 0.7}
        assert note == approval.ON_OTHER_ROWS


@pytest.mark.parametrize("served", ["base:3", ""])
def test_a_live_model_that_is_not_of_this_workspace(served: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The slot is known, and no other model takes the place of the champion."""
    client: Any = Client(Resource(traffic={"blue": 100}), Resource(name="blue"))

    def absent(client: Any, name: str, version: str) -> Any:
        raise NotFound(f"model {name} has no version {version}")

    monkeypatch.setattr(champion.endpoints, "find", lambda *_: client.endpoint)
    monkeypatch.setattr(champion.deployments, "model_of", lambda _: served)
    monkeypatch.setattr(models, "get", absent)
    monkeypatch.setattr(models, "latest", lambda *_: "the newest")
    assert champion.live(client, "flights", "flights") == ("blue", None)
    assert champion.champion(client, "flights", "flights") is None


@pytest.mark.parametrize(
    ("tags", "said"),
    [
        ({"data.rows": "10", "data.first": "1 May", "data.last": "2 May"}, "10 rows, 1 May to 2 May"),
        ({"data.rows": "10"}, "10 rows"),
        ({}, "an unknown number of rows"),
    ],
)
def test_the_span_of_the_data(tags: dict[str, str], said: str) -> None:
    """With its time where the rows have one."""
    assert approval.span(tags) == said


def test_the_folder_of_data(tmp_path: Path) -> None:
    """How many files, how large, which is the last; other files do not count."""
    (tmp_path / "data").mkdir()
    for name in ("2013-01.csv.gz", "2013-02.csv.gz", "README.md"):
        (tmp_path / "data" / name).write_bytes(b"0" * 500_000)
    assert approval.files(tmp_path, Path("data")) == "data: 2 files, 1.0 MB, the last is 2013-02.csv.gz"
    assert approval.files(tmp_path, Path("none")) == "none: 0 files, 0.0 MB"


def test_outside_git_there_is_no_commit(tmp_path: Path) -> None:
    """And no error."""
    assert approval.described(tmp_path) == "none"
