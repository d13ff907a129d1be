"""A job's own MLflow run: logged by the real client, open to nobody else's job, closed when the job ends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import requests
from azure.ai.ml import command
from azure.ai.ml.entities import Environment

LOG = """
import mlflow
with mlflow.start_run():
    mlflow.log_params({"model": "logistic"})
    mlflow.log_metrics({"auc": 0.7, "brier": 0.16})
    mlflow.log_metric("loss", 2.0, step=1)
    mlflow.log_metric("loss", 1.0, step=2)
    mlflow.set_tag("data", "dev")
"""


@pytest.fixture
def run(ml_client: Any, wait: Any, tmp_path: Path) -> Any:
    def run(script: str) -> Any:
        (tmp_path / "go.py").write_text(script)
        environment = Environment(image="none", conda_file={"name": "x", "dependencies": ["python"]})
        job = ml_client.jobs.create_or_update(
            command(command="python go.py", code=str(tmp_path), compute="cpu-cluster", environment=environment)
        )
        wait(lambda: ml_client.jobs.get(job.name).status in ("Completed", "Failed", "Canceled"))
        return ml_client.jobs.get(job.name)

    return run


def address(workspace: Any) -> str:
    return (
        f"{workspace.arm}/mlflow/v1.0/subscriptions/{workspace.subscription_id}"
        f"/resourceGroups/{workspace.resource_group}/providers/Microsoft.MachineLearningServices"
        f"/workspaces/{workspace.workspace_name}"
    )


def tracking(workspace: Any, path: str, token: str, method: str = "GET", **more: Any) -> requests.Response:
    headers = {"Authorization": f"Bearer {token}"}
    return requests.request(method, f"{address(workspace)}/api/2.0/mlflow/{path}", headers=headers, timeout=30, **more)


@pytest.mark.slow
def test_what_a_job_logs_is_kept(ml_client: Any, workspace: Any, run: Any) -> None:
    """Params, metrics with their steps and tags that MLflow's client logs in a job can be read afterwards."""
    job = run(LOG)
    assert job.status == "Completed"
    data = tracking(workspace, f"runs/get?run_id={job.name}", workspace.token()).json()["run"]["data"]
    assert {each["key"]: each["value"] for each in data["metrics"]} == {"auc": 0.7, "brier": 0.16, "loss": 1.0}
    assert {each["key"]: each["value"] for each in data["params"]} == {"model": "logistic"}
    assert {"key": "data", "value": "dev"} in data["tags"]
    history = tracking(workspace, f"metrics/get-history?run_id={job.name}&metric_key=loss", workspace.token()).json()
    assert [point["value"] for point in history["metrics"]] == [2.0, 1.0]


def test_a_job_token_opens_its_own_run_while_it_runs(ml_client: Any, workspace: Any, run: Any, tmp_path: Path) -> None:
    """With its token a job reads no other run and nothing of the control plane; after the job it opens nothing."""
    other = run("")
    note = tmp_path / "note.txt"
    script = (
        "import json, os, urllib.request, urllib.error, ssl\n"
        "context = ssl.create_default_context(cafile=os.environ['MLFLOW_TRACKING_SERVER_CERT_PATH'])\n"
        "token, uri = os.environ['MLFLOW_TRACKING_TOKEN'], os.environ['MLFLOW_TRACKING_URI']\n"
        "def status(url):\n"
        "    request = urllib.request.Request(url, headers={'Authorization': 'Bearer ' + token})\n"
        "    try:\n"
        "        return urllib.request.urlopen(request, context=context).status\n"
        "    except urllib.error.HTTPError as error:\n"
        "        return error.code\n"
        "get = uri + '/api/2.0/mlflow/runs/get?run_id='\n"
        f"found = [status(get + os.environ['MLFLOW_RUN_ID']), status(get + '{other.name}'),\n"
        "         status(uri.replace('/mlflow/v1.0', '') + '/jobs')]\n"
        f"open({str(note)!r}, 'w').write(json.dumps([token, found]))\n"
    )
    job = run(script)

    token, found = json.loads(note.read_text())
    assert found == [200, 403, 401]
    assert tracking(workspace, f"runs/get?run_id={job.name}", token).status_code == 401


def test_a_parameter_is_logged_once(workspace: Any, run: Any) -> None:
    """A second value for a parameter is refused, and the first one stays."""
    job = run("")
    for value, status in (("1", 200), ("1", 200), ("2", 409)):
        body = {"run_id": job.name, "key": "depth", "value": value}
        answer = tracking(workspace, "runs/log-parameter", workspace.token(), "POST", json=body)
        assert answer.status_code == status


def test_logged_models_are_not_there_as_in_azure_ml(workspace: Any) -> None:
    """A 404 that says where a model belongs instead."""
    answer = tracking(workspace, "logged-models", workspace.token(), "POST", json={"experiment_id": "0", "name": "m"})
    assert answer.status_code == 404
    assert "output of the job" in answer.text


def test_mlflow_reads_what_went_wrong(
    ml_client: Any, workspace: Any, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own client raises the code and the reason that were answered."""
    import mlflow
    from mlflow.exceptions import MlflowException, RestException

    job = run("")
    monkeypatch.setenv("MLFLOW_TRACKING_SERVER_CERT_PATH", workspace.ca_bundle)
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", workspace.token())
    client = mlflow.MlflowClient(address(workspace))
    client.log_param(job.name, "depth", 1)
    for code, said, call in (
        ("RESOURCE_DOES_NOT_EXIST", "none not found", lambda: client.get_run("none")),
        ("RESOURCE_DOES_NOT_EXIST", "none not found", lambda: client.list_artifacts("none")),
        ("INVALID_PARAMETER_VALUE", "logged already", lambda: client.log_param(job.name, "depth", 2)),
    ):
        with pytest.raises(MlflowException, match=said) as refused:
            call()
        assert refused.value.error_code == code
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "wrong")
    with pytest.raises(RestException, match="token is wrong") as refused:
        client.get_run(job.name)
    assert refused.value.error_code == "UNAUTHENTICATED"
