"""A job's log: its own, and before there is one that of the service."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import requests

from ops import job_logs

BUILD = {"azureml-logs/20_image_build_log.txt": "build", "azureml-logs/hosttools_capability/x.log": "tools"}
OWN = {"user_logs/std_log.txt": "own"}
LATER = {"azureml-logs/55_azureml-execution.txt": "execution"}


def details(files: dict[str, str]) -> Any:
    told = SimpleNamespace(log_files=files, error=None)
    return SimpleNamespace(jobs=SimpleNamespace(_runs_operations=SimpleNamespace(get_run_details=lambda name: told)))


@pytest.fixture(autouse=True)
def _storage(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store whose files hold the end of their own address."""

    def get(address: str, timeout: float) -> Any:
        content = f"begin\n{address} says so".encode()
        return SimpleNamespace(content=content, raise_for_status=lambda: None)

    monkeypatch.setattr(requests, "get", get)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, ""),
        (BUILD, "build says so"),
        ({**LATER, **BUILD}, "execution says so"),
        ({**BUILD, **OWN, **LATER}, "own says so"),
    ],
    ids=["none", "an image is built", "the service's last", "its own"],
)
def test_row_4_an_image_that_cannot_be_built_says_why(files: dict[str, str], said: str) -> None:
    """Then the job has no output of its own; once it has, that is the log."""
    assert job_logs.end(details(files), "job", 1) == said
    assert job_logs.last_line(details(files), "job") == said
    assert job_logs.last_words(details(files), "job").endswith(said)
