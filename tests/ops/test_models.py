"""Models: versions ordered as numbers, tags from metrics."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ops import lineage, models
from ops.errors import NotFound

METRICS: dict[str, Any] = {
    "rows": 100,
    "model": "logistic",
    "served": "model.onnx",
    "split": {"auc": 0.71, "rows": 20},
    "holdout": {"auc": 0.68123456789, "brier": 0.16, "rows": 30, "fingerprint": "ab" * 32},
    "libraries": {"python": "3.11.7", "scikit-learn": "1.9.1"},
    "data": {"fingerprint": "cd" * 32, "rows": 100, "first": "2013-01-01", "last": "2013-06-30"},
}


def test_versions_are_numbers_not_text() -> None:
    """Version 10 is newer than 9; a name given by hand is older than all."""
    assert sorted(["10", "9", "beta", "1"], key=models.number) == ["beta", "1", "9", "10"]


def test_row_9_metrics_become_tags() -> None:
    """What is needed to compare, to trace and to rebuild is kept with the version, within Azure's limit."""
    found = models.tags_from(METRICS)
    assert found["metric.auc"] == "0.681235"
    assert found["metric.split.auc"] == "0.71"
    assert found["library.scikit-learn"] == "1.9.1"
    assert found["data.last"] == "2013-06-30"
    assert found[lineage.DATA] == "cd" * 8
    assert all(isinstance(value, str) and len(value) <= 256 for value in found.values())


@pytest.mark.parametrize("version", ["../1", "..", "a b", "1?x", "1#", "", "1\n"])
def test_a_version_that_cannot_be_is_not_asked_for(version: str) -> None:
    """It would be an address of something else: this client has a list, and no get."""
    there = [SimpleNamespace(version=each) for each in ("1", "2")]
    client: Any = SimpleNamespace(models=SimpleNamespace(list=lambda name: there))
    with pytest.raises(NotFound) as caught:
        models.get(client, "flights", version)
    assert str(caught.value) == f"model flights has no version {version}; there are: 1, 2"
