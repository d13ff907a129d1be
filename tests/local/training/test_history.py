"""Run history: what is asked about a run by its id, beside the job."""

from __future__ import annotations

from typing import Any

import pytest
import requests
from azure.ai.ml import command


def ask(workspace: Any, body: dict[str, Any]) -> requests.Response:
    url = (
        f"{workspace.arm}/history/v1.0/subscriptions/{workspace.subscription_id}"
        f"/resourceGroups/{workspace.resource_group}/providers/Microsoft.MachineLearningServices"
        f"/workspaces/{workspace.workspace_name}/rundata"
    )
    headers = {"Authorization": f"Bearer {workspace.token()}"}
    return requests.post(url, json=body, headers=headers, timeout=30)


def test_a_run_is_found_by_its_id(ml_client: Any, workspace: Any) -> None:
    """Whatever else of it is selected."""
    job = ml_client.jobs.create_or_update(command(command="true", environment="azureml:AzureML-sklearn-1.5:1"))
    answer = ask(workspace, {"runId": job.name, "selectRunMetadata": True})
    assert answer.json()["runMetadata"]["runId"] == job.name


@pytest.mark.parametrize("body", [{}, {"selectRunMetadata": True}, {"runId": ""}])
def test_a_question_without_a_run_says_what_is_missing(workspace: Any, body: dict[str, Any]) -> None:
    """It is refused as wrong, and not as a run that is not there."""
    answer = ask(workspace, body)
    assert answer.status_code == 400
    assert "runId is missing" in answer.json()["error"]["message"]
