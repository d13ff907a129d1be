"""A job's report: one page that needs nothing else, whatever the data's columns are called."""

from __future__ import annotations

from typing import Any

import pytest

from ops import job_report, page

HOSTILE = "<script>alert(1)</script>"
MEASURED = {
    "rows": 200, "positive_share": 0.25, "auc": 0.7, "average_precision": 0.4, "log_loss": 0.5, "brier": 0.16,
    "calibration_error": 0.02,
}  # fmt: skip
METRICS: dict[str, Any] = {
    "rows": 1000,
    "positive_share": 0.2,
    "split": MEASURED,
    "holdout": {**MEASURED, "auc": 0.65, "fingerprint": "f"},
    "model": "logistic",
    "served": "model.onnx",
    "parity": {"max_abs_difference": 1e-7, "rows": 50, "reason": None},
    "libraries": {"python": "3.11"},
    "data": {"fingerprint": "abc", "files": ["a.csv"], "rows": 1000, "unlabelled": 0, "first": None, "last": None},
    "seconds": 1.5,
}
SIGNATURE = {
    "target": "late",
    "columns": [
        {"name": HOSTILE, "type": "text", "missing_share": 0.0, "categories": {HOSTILE: 0.6, "b": 0.4}},
        {"name": "temp", "type": "number", "missing_share": 0.1, "minimum": 1.0, "maximum": 9.0, "shares": [0.5, 0.5]},
        {"name": "empty", "type": "number", "missing_share": 1.0, "minimum": None, "maximum": None},
    ],
}


def drawn(**changed: Any) -> str:
    files = {"roc.png": b"png"}
    return job_report.JobReport("calm_plum", {"stage": "dev"}, {**METRICS, **changed}, SIGNATURE, files).page()


def test_a_page_needs_nothing_else() -> None:
    """No script, no address: the picture is in it."""
    assert "http" not in drawn()
    assert "<link" not in drawn()
    assert "data:image/png;base64,cG5n" in drawn()


def test_names_of_columns_and_values_stay_text() -> None:
    """Whoever wrote the CSV writes no HTML here."""
    assert "<script" not in drawn()
    assert "&lt;script&gt;" in drawn()


def test_the_live_rows_come_first_and_the_split_is_there_too() -> None:
    """The figures at the top are those that models are compared by."""
    assert "<b>0.6500</b><span>AUC</span>" in drawn()
    assert "rows set aside" in drawn()


def test_a_job_without_live_rows_has_its_split() -> None:
    """A dev job of somebody else's data may have none."""
    text = drawn(holdout=None)
    assert "<b>0.7000</b><span>AUC</span>" in text
    assert "live rows" not in text


def test_why_no_graph_is_served_is_said() -> None:
    """The reason that training wrote, in the first sentence."""
    text = drawn(served="model.skops", parity={"max_abs_difference": None, "rows": 5, "reason": "it does not convert"})
    assert "model.skops is served: it does not convert" in text


@pytest.mark.parametrize("shares", [[], [0.0], [1.0], [0.1, 0.9]])
def test_small_bars_stay_inside_their_line(shares: list[float]) -> None:
    """Also of a column without values."""
    drawing = page.spark(shares)
    assert drawing.count("<rect") == len(shares)
    assert "nan" not in drawing
