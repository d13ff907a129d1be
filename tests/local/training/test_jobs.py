"""Command jobs through the real SDK: really run, and answered as Azure answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from azure.ai.ml import Input, Output, command
from azure.ai.ml.entities import Environment
from azure.core.exceptions import HttpResponseError

TERMINAL = ("Completed", "Failed", "Canceled")


@pytest.fixture
def submit(ml_client: Any, tmp_path: Path) -> Any:
    """Submit a command job whose code is one script."""

    def submit(line: str, script: str = "", **more: Any) -> Any:
        code = tmp_path / "code"
        code.mkdir(exist_ok=True)
        (code / "go.py").write_text(script)
        environment = Environment(image="none", conda_file={"name": "x", "dependencies": ["python"]})
        more = {"compute": "cpu-cluster", "environment": environment, "code": str(code)} | more
        return ml_client.jobs.create_or_update(command(command=line, **more))

    return submit


@pytest.fixture
def ended(ml_client: Any, wait: Any) -> Any:
    """Wait until a job has ended, and return it."""

    def ended(job: Any) -> Any:
        wait(lambda: ml_client.jobs.get(job.name).status in TERMINAL)
        return ml_client.jobs.get(job.name)

    return ended


def details(ml_client: Any, job: Any) -> Any:
    return ml_client.jobs._runs_operations.get_run_details(job.name)


def test_row_2_a_job_runs_its_code_on_its_data(ml_client: Any, submit: Any, ended: Any, tmp_path: Path) -> None:
    """A submitted job gets its code, its input folder and its literals, and its output can be downloaded."""
    data = tmp_path / "data"
    (data / "deep").mkdir(parents=True)
    (data / "deep" / "a.csv").write_text("1,2")
    script = (
        "import pathlib, sys\n"
        "data, out, text = sys.argv[1:]\n"
        "(pathlib.Path(out) / 'sub').mkdir()\n"
        "(pathlib.Path(out) / 'sub' / 'seen.txt').write_text((pathlib.Path(data) / 'deep/a.csv').read_text() + text)\n"
    )
    job = ended(
        submit(
            'python go.py "${{inputs.data}}" ${{outputs.model}} "${{inputs.text}}"',
            script,
            inputs={"data": Input(type="uri_folder", path=str(data)), "text": "a \"b\" $(touch /tmp/x) 'c'"},
            outputs={"model": Output(type="uri_folder")},
        )
    )
    assert job.status == "Completed"
    ml_client.jobs.download(job.name, download_path=tmp_path / "got", output_name="model")
    seen = tmp_path / "got" / "named-outputs" / "model" / "sub" / "seen.txt"
    assert seen.read_text() == "1,2a \"b\" $(touch /tmp/x) 'c'"


def test_row_4_a_failed_job_says_why(ml_client: Any, submit: Any, ended: Any) -> None:
    """The last line of standard error and the exit code are in the job's own error."""
    job = ended(submit("python go.py", "print('before')\nraise SystemExit('the target column is missing')"))
    assert job.status == "Failed"
    error = details(ml_client, job).error.error
    assert error.code == "UserError"
    assert error.message.endswith("exited with code 1. the target column is missing")


@pytest.mark.slow
def test_code_that_was_damaged_is_uploaded_anew(
    ml_client: Any, workspace: Any, submit: Any, ended: Any, tmp_path: Path
) -> None:
    """The SDK knows it by its hash: submitting the same once more heals it, and it is what runs."""
    script = "print('it really ran')\nraise SystemExit(3)\n"
    assert "code 3" in details(ml_client, ended(submit("python go.py", script))).error.error.message
    for file in (Path(workspace.folder) / "blobs").iterdir():
        if file.read_bytes() == script.encode():
            file.write_bytes(b"")
    assert "code 3" in details(ml_client, ended(submit("python go.py", script))).error.error.message


def test_log_is_whole_and_in_order(ml_client: Any, submit: Any, ended: Any, tmp_path: Path) -> None:
    """The log of a job has what it printed, standard output and standard error."""
    job = ended(submit("python go.py", "import sys\nprint('one')\nprint('two', file=sys.stderr)\n"))
    ml_client.jobs.download(job.name, download_path=tmp_path / "got")
    log = (tmp_path / "got" / "artifacts" / "user_logs" / "std_log.txt").read_text()
    assert sorted(log.split()) == ["one", "two"]


def test_log_streams_while_the_job_runs(ml_client: Any, submit: Any, wait: Any) -> None:
    """The log's address shows what a running job has printed so far."""
    import requests

    job = submit("python go.py", "import time\nprint('first', flush=True)\ntime.sleep(60)")
    wait(lambda: ml_client.jobs.get(job.name).status == "Running")
    url = details(ml_client, job).log_files["user_logs/std_log.txt"]
    wait(lambda: "first" in requests.get(url, timeout=10).text)
    ml_client.jobs.begin_cancel(job.name).wait()


def test_row_4_cancel_ends_the_whole_process_group(ml_client: Any, submit: Any, wait: Any, tmp_path: Path) -> None:
    """A canceled job is Canceled when the cancel operation ends, and its grandchildren are gone."""
    import psutil

    note = tmp_path / "pid"
    job = submit(f"bash -c 'sleep 300 & echo $! > {note}; wait'")
    wait(lambda: note.exists() and note.read_text().strip())
    ml_client.jobs.begin_cancel(job.name).wait()
    assert ml_client.jobs.get(job.name).status == "Canceled"
    wait(lambda: not psutil.pid_exists(int(note.read_text())))


def test_a_job_canceled_at_once_does_not_run_on(ml_client: Any, submit: Any, ended: Any) -> None:
    """Canceling before the process is up still ends the job as Canceled."""
    job = submit("sleep 300")
    ml_client.jobs.begin_cancel(job.name).wait()
    assert ended(job).status == "Canceled"


@pytest.mark.slow
def test_row_4_time_limit_cancels(submit: Any, ended: Any) -> None:
    """A job over its own time limit is Canceled."""
    assert ended(submit("sleep 300", timeout=1)).status == "Canceled"


def test_job_environment_has_no_workspace_token(
    ml_client: Any, workspace: Any, submit: Any, ended: Any, tmp_path: Path
) -> None:
    """A job finds its run id in the environment, and the workspace's token nowhere in it."""
    job = ended(submit("env"))
    ml_client.jobs.download(job.name, download_path=tmp_path / "got")
    log = (tmp_path / "got" / "artifacts" / "user_logs" / "std_log.txt").read_text()
    assert f"AZUREML_RUN_ID={job.name}" in log
    assert workspace.token() not in log


@pytest.mark.parametrize(
    ("line", "more", "said"),
    [
        ("echo", {"compute": "nowhere"}, "Unknown compute target 'nowhere'"),
        ("echo", {"environment_variables": {"A=B": "1"}}, "'A=B' cannot be the name of an environment variable"),
        (
            "echo ${{inputs.x}}",
            {"inputs": {"x": Input(type="uri_folder", path="azureml://datastores/none/paths/x")}},
            "Datastore with name none not found",
        ),
        (
            "echo ${{inputs.x}}",
            {"inputs": {"x": Input(type="uri_folder", path="azureml:none:1")}},
            "none:1 not found",
        ),
    ],
)
def test_what_cannot_run_is_refused_at_once(submit: Any, line: str, more: dict[str, Any], said: str) -> None:
    """An unknown compute, datastore or data asset is refused when the job is submitted."""
    with pytest.raises(HttpResponseError, match=said):
        submit(line, **more)


@pytest.mark.parametrize(
    ("key", "reference", "status"),
    [
        ("environmentId", "azureml:none:1", 404),
        ("environmentId", "azureml:none@latest", 404),
        ("environmentId", "{id}/environments/none/versions/1", 404),
        ("environmentId", "{id}/codes/none/versions/1", 400),
        ("environmentId", "none", 400),
        ("codeId", "{id}/codes/none/versions/1", 404),
        ("codeId", "azureml:none:1", 404),
        ("codeId", "{id}/environments/none/versions/1", 400),
    ],
)
def test_what_is_not_there_is_refused_however_it_is_named(
    workspace: Any, key: str, reference: str, status: int
) -> None:
    """A deployment and a job read names of assets alike."""
    import requests

    properties = {"jobType": "Command", "command": "true", "environmentId": "azureml:AzureML-x:1"}
    place = (
        f"/subscriptions/{workspace.subscription_id}/resourceGroups/{workspace.resource_group}"
        f"/providers/Microsoft.MachineLearningServices/workspaces/{workspace.workspace_name}"
    )
    properties[key] = reference.format(id=place)
    answer = requests.put(
        f"{workspace.arm}{place}/jobs/of-nothing?api-version=2025-01-01-preview", json={"properties": properties},
        headers={"Authorization": f"Bearer {workspace.token()}"}, verify=workspace.ca_bundle, timeout=30,
    )  # fmt: skip
    assert answer.status_code == status, answer.text


def printed(ml_client: Any, job: Any, folder: Path) -> list[str]:
    """Return what a job has printed."""
    ml_client.jobs.download(job.name, download_path=folder)
    return (folder / "artifacts" / "user_logs" / "std_log.txt").read_text().splitlines()


def test_a_direct_input_is_its_address(ml_client: Any, submit: Any, ended: Any, tmp_path: Path) -> None:
    """The job is told where the data lie, whether or not they are here; the other modes give it files."""
    from azure.ai.ml.entities import Data

    far = ml_client.data.create_or_update(
        Data(name="direct", path="abfss://a@b.dfs.core.windows.net/c", type="uri_folder")
    )
    paths = {"far": f"azureml:direct:{far.version}", "near": f"{OWN}/none/", "page": "https://example.org/a/"}
    inputs = {name: Input(type="uri_folder", path=path, mode="direct") for name, path in paths.items()}
    job = ended(submit("echo ${{inputs.far}}; echo $AZURE_ML_INPUT_near; echo ${{inputs.page}}", inputs=inputs))
    far_seen, near_seen, page_seen = printed(ml_client, job, tmp_path / "got")
    assert far_seen == "abfss://a@b.dfs.core.windows.net/c"
    assert near_seen.startswith("azureml://subscriptions/")
    assert near_seen.endswith("/datastores/workspaceblobstore/paths/none/")
    assert page_seen == "https://example.org/a/"
    with pytest.raises(HttpResponseError, match="none:1 not found"):
        submit("true", inputs={"x": Input(type="uri_folder", path="azureml:none:1", mode="direct")})


OWN = "azureml://datastores/workspaceblobstore/paths"


@pytest.mark.parametrize(
    ("path", "lies"),
    [
        ("azureml://datastores/${{default_datastore}}/paths/kept/${{name}}/${{ output_name }}/", "kept/{job}/out"),
        (f"{OWN}/kept/always/", "kept/always"),
    ],
)
def test_an_output_lies_where_the_job_says(
    ml_client: Any, submit: Any, ended: Any, tape: list[Any], path: str, lies: str
) -> None:
    """Its path's expressions are evaluated when the job is submitted, as the service does."""
    job = submit("echo x > ${{outputs.out}}/t.csv", outputs={"out": Output(type="uri_folder", path=path)})
    assert job.outputs["out"].path == f"{OWN}/{lies.format(job=job.name)}/"
    assert ended(job).status == "Completed"
    seen = submit(
        "cat ${{inputs.rows}}/t.csv",
        inputs={"rows": Input(type="uri_folder", path=f"{OWN}/{lies.format(job=job.name)}")},
    )
    assert ended(seen).status == "Completed"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"path": "azureml://datastores/none/paths/x"}, "Datastore with name none not found"),
        ({"path": "azureml://datastores/theirs_too/paths/x"}, "files in datastore theirs_too"),
        ({"path": "https://their.blob.core.windows.net/x/y"}, "they would lie elsewhere"),
        ({"path": "abfss://a@b.dfs.core.windows.net/c"}, "they lie elsewhere"),
        ({"path": f"{OWN}/${{{{parent.x}}}}/"}, "parent.x"),
        ({"path": f"{OWN}/"}, "names no folder"),
        ({"path": f"{OWN}/a/../../b"}, "names no folder"),
        ({"path": "azureml:some-data:1"}, "cannot write to azureml:some-data:1"),
        ({"path": "azureml://jobs/${{name}}/outputs/out"}, "cannot write to azureml://jobs"),
        ({"mode": "direct"}, "outputs of mode direct"),
        ({"name": "-a"}, "a name holds letters"),
    ],
)
def test_an_output_that_cannot_be_written_is_refused_at_once(
    ml_client: Any, submit: Any, more: dict[str, str], said: str
) -> None:
    """Not when the job has run for hours."""
    from azure.ai.ml.entities import AzureBlobDatastore

    ml_client.datastores.create_or_update(AzureBlobDatastore(name="theirs_too", account_name="x", container_name="y"))
    with pytest.raises(HttpResponseError, match=said):
        submit("true", outputs={"out": Output(type="uri_folder", **more)})
    ml_client.datastores.delete("theirs_too")


def test_an_input_with_nothing_in_it_fails_the_job(ml_client: Any, submit: Any, ended: Any) -> None:
    """An input path that has no blob fails the job with the path's name."""
    empty = Input(type="uri_folder", path="azureml://datastores/workspaceblobstore/paths/not/there")
    job = ended(submit("ls ${{inputs.x}}", inputs={"x": empty}))
    assert job.status == "Failed"
    assert "not/there" in details(ml_client, job).error.error.message


def test_jobs_are_listed_newest_first_and_archived_ones_are_not(ml_client: Any, submit: Any, ended: Any) -> None:
    """The list has the newest job first; archiving takes one out, restoring brings it back."""
    first, second = ended(submit("true")), ended(submit("true"))
    assert [job.name for job in ml_client.jobs.list()][:2] == [second.name, first.name]
    ml_client.jobs.archive(second.name)
    assert second.name not in [job.name for job in ml_client.jobs.list()]
    ml_client.jobs.restore(second.name)
    assert second.name in [job.name for job in ml_client.jobs.list()]


def test_row_9_a_job_output_becomes_a_model_with_its_job(ml_client: Any, submit: Any, ended: Any) -> None:
    """Registering azureml://jobs/... gives a model version that names its job; the next one counts on."""
    from azure.ai.ml.entities import Model

    job = ended(submit("echo x > ${{outputs.model}}/m.txt", outputs={"model": Output(type="uri_folder")}))
    path = f"azureml://jobs/{job.name}/outputs/model"
    models = [ml_client.models.create_or_update(Model(name="from-job", path=path)) for _ in range(2)]
    assert [model.version for model in models] == ["1", "2"]
    assert models[0].job_name == job.name
    assert models[0].path.endswith(f"/paths/azureml/{job.name}/model")


def test_a_run_path_becomes_a_model(ml_client: Any, submit: Any, ended: Any, tmp_path: Path) -> None:
    """`runs:/JOB/...` is what the job wrote to ./outputs, as MLflow names it."""
    from azure.ai.ml.entities import Model

    job = ended(submit("mkdir -p outputs/model && echo x > outputs/model/m.txt"))
    path = f"runs:/{job.name}/outputs/model"
    made = ml_client.models.create_or_update(Model(name="from-run", path=path, type="custom_model"))
    ml_client.models.download("from-run", made.version, download_path=str(tmp_path / "got"))
    assert [each.name for each in (tmp_path / "got").rglob("*.txt")] == ["m.txt"]


def test_jobs_are_listed_by_what_is_asked_for(ml_client: Any, workspace: Any, submit: Any, ended: Any) -> None:
    """By tag, by property and by type; none is of a schedule, for there are none."""
    import requests

    tagged, other = ended(submit("true", tags={"team": "blue"})), ended(submit("true", tags={"team": "red"}))
    base = f"{workspace.arm}{tagged.id.rpartition('/')[0]}"
    headers = {"Authorization": f"Bearer {workspace.token()}"}

    def found(**query: str) -> set[str]:
        asked = query | {"api-version": "2025-01-01-preview"}
        return {each["name"] for each in requests.get(base, asked, headers=headers, timeout=30).json()["value"]}

    ours = {tagged.name, other.name}
    assert found(tag="team") & ours == ours
    assert found(tag="team=blue") & ours == {tagged.name}
    assert found(jobType="Command") & ours == ours
    assert found(jobType="Pipeline") == set()
    assert found(properties="absent") == set()
    assert list(ml_client.jobs.list(schedule_defined=True)) == []


def test_a_named_output_becomes_an_asset(ml_client: Any, submit: Any, ended: Any) -> None:
    """An output with a name is registered as data when the job has run."""
    outputs = {"table": Output(type="uri_folder", name="job-table")}
    assert ended(submit("echo x > ${{outputs.table}}/t.csv", outputs=outputs)).status == "Completed"
    assert ml_client.data.get("job-table", "1").type == "uri_folder"


def test_a_job_that_has_ended_is_not_canceled(ml_client: Any, submit: Any, ended: Any) -> None:
    """Canceling a completed job is refused, and it stays Completed."""
    job = ended(submit("true"))
    with pytest.raises(HttpResponseError, match="cannot be canceled: it is Completed"):
        ml_client.jobs.begin_cancel(job.name)
    assert ml_client.jobs.get(job.name).status == "Completed"


def test_one_job_runs_at_a_time(ml_client: Any, submit: Any, ended: Any, wait: Any, tmp_path: Path) -> None:
    """With one instance the second job waits as Queued until the first has ended."""
    gate = tmp_path / "gate"
    first = submit(f"until [ -e {gate} ]; do sleep 0.02; done")
    wait(lambda: ml_client.jobs.get(first.name).status == "Running")
    second = submit("true")
    assert ml_client.jobs.get(second.name).status == "Queued"
    gate.touch()
    assert [ended(job).status for job in (first, second)] == ["Completed", "Completed"]
