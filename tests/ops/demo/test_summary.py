"""The demo's summary."""

from __future__ import annotations

from typing import Any

import pytest

from ops.demo import summary


def test_no_answer_at_all_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    """What the demo then ends with, the requests that failed, must not be hidden by a latency that is none."""
    nothing: dict[str, Any] = {"steps": [], "models": {}, "phases": {}, "outcomes": {}, "p50_ms": None, "p99_ms": None}
    counts = {"requests": 7, "failed": 7, "bad_green_failures": 0, "seconds": 1.0, "endpoint": "http://127.0.0.1:9"}
    summary.show(nothing | counts)
    assert "no request was answered" in capsys.readouterr().out
