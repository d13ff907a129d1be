"""Files that a job logs through MLflow's own client, with the token that the job has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import requests
from azure.ai.ml import command

LOG = """
import mlflow
from pathlib import Path
with mlflow.start_run():
    mlflow.log_text("said", "notes/note.txt")
    Path("top.txt").write_text("top")
    mlflow.log_artifact("top.txt")
    run = mlflow.active_run().info.run_id
    files = mlflow.MlflowClient().list_artifacts(run)
    assert {("notes", True), ("top.txt", False)} <= {(each.path, each.is_dir) for each in files}, files
    assert mlflow.artifacts.load_text(f"runs:/{run}/notes/note.txt") == "said"
"""


@pytest.mark.slow
def test_what_a_job_logs_is_among_its_files(ml_client: Any, wait: Any, tmp_path: Path) -> None:
    """The job itself lists and reads it, and the SDK downloads it with the job."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code/go.py").write_text(LOG)
    job = ml_client.jobs.create_or_update(
        command(command="python go.py", code=str(tmp_path / "code"), environment="AzureML-sklearn-1.5@latest")
    )
    wait(lambda: ml_client.jobs.get(job.name).status in ("Completed", "Failed", "Canceled"), 90)
    assert ml_client.jobs.get(job.name).status == "Completed"
    ml_client.jobs.download(job.name, download_path=str(tmp_path / "got"))
    assert (tmp_path / "got/artifacts/notes/note.txt").read_text() == "said"


def test_an_artifact_is_of_a_run_that_is_there(workspace: Any) -> None:
    """No token, no run, another origin: refused, each with its status."""
    group = f"/subscriptions/{workspace.subscription_id}/resourceGroups/{workspace.resource_group}"
    where = f"{group}/providers/Microsoft.MachineLearningServices/workspaces/{workspace.workspace_name}"
    base = f"{workspace.arm}/mlflow/v1.0{where}/api/2.0/mlflow-artifacts/artifacts"
    mine = {"Authorization": f"Bearer {workspace.token()}"}
    assert requests.put(f"{base}/none/a.txt", data=b"x", timeout=30).status_code == 401
    assert requests.put(f"{base}/none/a.txt", data=b"x", headers=mine, timeout=30).status_code == 404
    assert requests.get(f"{base}?path=none", headers=mine, timeout=30).status_code == 404
    assert requests.get(base, headers=mine | {"Origin": "https://evil.example"}, timeout=30).status_code == 403
