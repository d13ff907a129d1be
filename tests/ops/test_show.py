"""What the tasks print: the status stands, whatever part of it cannot be had."""

from __future__ import annotations

import gc
import re
from collections.abc import Callable
from typing import Any

import pytest
import requests
from azure.core.exceptions import HttpResponseError
from house import House

from local import launch
from ops import show
from ops.errors import NotFound, UsageError
from ops.project import Project

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def project(house: House) -> Project:
    """A project on a workspace of its own."""
    return Project(house.settings(), house.root)


def test_garbage_is_looked_for_again_once_the_sdk_is_there(project: Project) -> None:
    """It is not while the SDK is imported, which would take a third longer; a rollout goes on for hours after that."""
    assert project.client is not None
    assert gc.isenabled()
    assert gc.get_freeze_count() > 0


def raising(fault: Exception) -> Callable[[], dict[str, float]]:
    def drift() -> dict[str, float]:
        raise fault

    return drift


@pytest.mark.parametrize(
    "fault",
    [
        NotFound("there is no job plum"),
        UsageError("data/live holds no CSV files"),
        HttpResponseError("gone\nCode: 500"),
    ],
)
def test_drift_that_cannot_be_measured_is_said_beside_all_else(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], fault: Exception
) -> None:
    """Its job or its model was deleted, its rows cannot be read, the workspace does not answer."""
    monkeypatch.setattr(project, "drift", raising(fault))
    seen: Any = show.status(project, as_json=False, watch=False)
    said = str(fault).split("\n")[0]
    assert (seen["drift"], seen["drift_fault"]) == ({}, said)
    shown = capsys.readouterr().out
    assert f"cannot be measured: {said}\n" in shown
    assert "flight-delays on local: not created" in shown
    assert "inv train-dev, then inv train-prod" in shown


def test_a_log_that_may_not_be_read_is_not_one_that_is_empty(house: House, project: Project) -> None:
    """A sign-in without the role gets Azure's refusal; a deployment that is not there, what to look at."""
    connection = launch.ensure(house.root / ".workspace")
    fault = {"path": "getLogs", "status": 403}
    answer = requests.put(
        f"{connection.arm}/local/faults", json={"control": [fault]}, verify=connection.ca_bundle, timeout=30,
        headers={"Authorization": f"Bearer {connection.token()}"},
    )  # fmt: skip
    assert answer.ok, answer.text
    with pytest.raises(HttpResponseError) as refused:
        show.logs(project, "blue", None, 10)
    assert refused.value.status_code == 403
    with pytest.raises(NotFound, match="no log of blue"):
        show.logs(project, "blue", None, 10)


def test_without_a_live_model_there_is_no_word_of_drift(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    """There is nothing that the rows could have moved from."""
    seen: Any = show.status(project, as_json=False, watch=False)
    assert (seen["drift"], seen["drift_fault"]) == ({}, None)
    assert "drift" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        ({"predictions": [0.25, 0.5]}, "0.25, 0.5"),
        ({"predictions": "none"}, "{'predictions': 'none'}"),
        ({"scores": [1]}, "{'scores': [1]}"),
        ("plain text", "plain text"),
        ([1, 2], "[1, 2]"),
        (None, "None"),
    ],
)
def test_an_answer_of_any_shape_is_traced(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], answer: Any, shown: str
) -> None:
    """An own scoring script may return whatever JSON can hold; only ours has predictions."""
    found = {
        "answer": answer, "deployment": {"slot": "blue", "endpoint": "flights"}, "model": {"name": "m", "version": "1"},
        "metrics": {}, "job": {"name": None}, "data": {}, "git_commit": None, "libraries": {},
    }  # fmt: skip
    monkeypatch.setattr(show.state, "trace", lambda client, **asked: found)
    assert show.trace(project, None)["answer"] == answer
    assert re.search(rf"^answer +{re.escape(shown)}$", capsys.readouterr().out, re.MULTILINE)
