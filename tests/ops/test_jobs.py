"""Jobs: watched through an outage, ended with their own words, and found without reading more than it takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests
import yaml
from house import ROOT

from local import launch
from local.storage.store import Store
from ops import job_logs, jobs
from ops.errors import JobFailed, NotFound, Timeout, Unreachable
from ops.settings import load
from ops.workspace import connect

pytestmark = pytest.mark.integration

FILLED, STAGED = 820, 640  # those before have a stage, more than are looked through; the others have none
PAGE = 100  # of the list
MINE = "flights"
# Our jobs among the others, by their number: the newest is the last.
OURS = {
    0: ("prod", "Completed"), 1: ("dev", "Completed"), 2: ("prod", "Failed"), 400: ("prod", "Completed"),
    430: ("prod", "Completed"), 440: ("prod", "Failed"),
}  # fmt: skip


def fill(folder: Path) -> None:
    """Write the jobs into the database of a workspace that is down."""
    store = Store(folder / "state.sqlite")
    with store.transaction():
        for number in range(FILLED):
            stage, state = OURS.get(number, ("", "Completed"))
            properties: dict[str, Any] = {
                "jobType": "Command", "command": "true", "environmentId": None, "codeId": None, "computeId": None,
                "experimentName": MINE if stage else "theirs", "displayName": "filled", "inputs": {}, "outputs": {},
                "tags": {"stage": stage or "prod"} if number < STAGED else {}, "properties": {},
                "resources": {"instanceCount": 1}, "isArchived": False,
            }  # fmt: skip
            store.put("jobs", f"job-{number}", {"properties": properties, "status": state}, mark=state)
    store.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a workspace with many jobs."""
    made = tmp_path_factory.mktemp("jobs") / "workspace"
    launch.ensure(made)
    launch.stop(made)
    fill(made)
    yield made
    launch.stop(made)


@pytest.fixture(scope="module")
def client(folder: Path) -> Any:
    """Its client, as the tasks have it."""
    values = yaml.safe_load((ROOT / "invoke.yaml").read_text())
    return connect(load(values | {"local": {"folder": str(folder)}}))


@pytest.fixture(autouse=True)
def _in_haste(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK's own retries are made, without the pauses between them."""
    from azure.core.pipeline.policies import RetryPolicy

    monkeypatch.setattr(RetryPolicy, "sleep", lambda *_, **__: None)


@pytest.fixture
def fault(folder: Path) -> Iterator[Callable[..., None]]:
    """A function that makes calls of the workspace fail."""
    connection = launch.ensure(folder)
    headers = {"Authorization": f"Bearer {connection.token()}"}

    def call(method: str, **body: Any) -> None:
        address = f"{connection.arm}/local/faults"
        done = requests.request(method, address, headers=headers, verify=connection.ca_bundle, timeout=30, **body)
        assert done.ok, done.text

    yield lambda **kind: call("PUT", json={"control": [kind]})
    call("DELETE")


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The pages of the list of jobs that are read, as they are read."""
    read: list[str] = []
    send = requests.Session.send

    def listen(session: Any, request: Any, **options: Any) -> requests.Response:
        if request.url.partition("?")[0].endswith("/jobs"):
            read.append(request.url)
        return send(session, request, **options)

    monkeypatch.setattr(requests.Session, "send", listen)
    return read


@pytest.fixture
def submit(client: Any) -> Iterator[Callable[[str], str]]:
    """A function that submits a job of one line and returns its name; what still runs at the end is canceled."""
    from azure.ai.ml import command
    from azure.ai.ml.entities import Environment

    names = []

    def submit(line: str) -> str:
        environment = Environment(image="none", conda_file={"name": "x", "dependencies": ["python"]})
        job = client.jobs.create_or_update(command(command=line, compute="cpu-cluster", environment=environment))
        names.append(str(job.name))
        return names[-1]

    yield submit
    for name in names:
        jobs.cancel(client, name, deadline_seconds=60)


def watch(client: Any, name: str, seconds: float = 60) -> Any:
    return jobs.watch(client, name, poll_seconds=0.05, deadline_seconds=seconds, say=lambda line: None)


@pytest.mark.parametrize("outage", [{"status": 503}, {"refused": True}])
def test_an_outage_does_not_end_the_watch(client: Any, submit: Any, fault: Any, outage: dict[str, Any]) -> None:
    """It may last longer than the SDK itself tries again: the job goes on, and so does who waits for it."""
    name = submit("sleep 0.2")
    fault(path=f"/jobs/{name}$", method="GET", times=9, **outage)
    assert jobs.status(watch(client, name)) == "Completed"


def test_an_outage_up_to_the_deadline_is_a_job_that_failed(client: Any, submit: Any, fault: Any) -> None:
    """With what the workspace answered last, and where to ask again."""
    name = submit("sleep 30")
    fault(path=f"(jobs|runs)/{name}", method="GET", times=10_000, status=503)
    with pytest.raises(JobFailed, match=rf"job {name}: still no answer after") as raised:
        watch(client, name, seconds=1)
    assert f"inv logs --job {name}" in str(raised.value)


def test_a_job_that_failed_ends_with_its_own_words(client: Any, submit: Any) -> None:
    """Its error, and the end of its log."""
    name = submit("for n in $(seq 30); do echo line $n; done; echo no such column >&2; exit 3")
    with pytest.raises(JobFailed, match=rf"job {name}: Failed\. .*exited with code 3") as raised:
        watch(client, name)
    said = str(raised.value).splitlines()
    assert said[-1] == "no such column"
    assert "line 30" in said
    assert "line 15" not in said


def test_a_job_at_its_deadline_ends_with_its_log(client: Any, submit: Any) -> None:
    """row_4: the last lines are shown then too."""
    name = submit("echo the first epoch; sleep 30")
    with pytest.raises(JobFailed, match=rf"job {name}: not done after") as raised:
        watch(client, name, seconds=3)
    assert str(raised.value).endswith("the first epoch")


def test_a_log_that_cannot_be_read_does_not_hide_how_the_job_ended(
    client: Any, submit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The status and the error are said all the same; the log's address, which is a key to it, is not."""
    name = submit("exit 3")

    def lost(address: str, **options: Any) -> None:
        raise requests.ConnectionError(f"no way to {address}")

    monkeypatch.setattr(requests, "get", lost)
    with pytest.raises(JobFailed, match=rf"job {name}: Failed\. .*exited with code 3") as raised:
        watch(client, name)
    assert f"inv logs --job {name}" in str(raised.value)
    with pytest.raises(Unreachable, match="the job's log cannot be read now: ConnectionError") as asked:
        job_logs.end(client, name, 10)
    assert "sig=" not in str(raised.value) + str(asked.value)


def test_run_history_that_cannot_be_read_does_not_hide_how_the_job_ended(client: Any, submit: Any, fault: Any) -> None:
    """Only the status is left then."""
    name = submit("exit 3")
    fault(path=f"/runs/{name}", times=10_000, status=500)
    with pytest.raises(JobFailed, match=rf"job {name}: Failed\. \(what it said cannot be read now"):
        watch(client, name)


def test_a_cancel_that_is_not_answered_ends_at_its_deadline(client: Any, submit: Any, fault: Any) -> None:
    """The request stands; the command does not wait for ever."""
    name = submit("sleep 30")
    fault(path=f"jobs/{name}/operationResults", times=10_000, stuck=True)
    with pytest.raises(Timeout, match=rf"job {name}: not canceled after 1\.0 s"):
        jobs.cancel(client, name, deadline_seconds=1)


def test_the_newest_jobs_are_read_and_no_others(client: Any, pages: list[str]) -> None:
    """However many there are: one page for fifty jobs."""
    found = jobs.listed(client, 50)
    created = [job.creation_context.created_at for job in found]
    assert created == sorted(created, reverse=True)
    assert (len(found), len(pages)) == (50, 1)
    # Those of others are newer, and have no stage.
    assert found[0].name == f"job-{STAGED - 1}"


def test_a_job_that_the_sdk_cannot_make_out_is_left_out() -> None:
    """It gives such a one as None."""
    job = SimpleNamespace(creation_context=None)
    client: Any = SimpleNamespace(jobs=SimpleNamespace(list=lambda tag: iter([None, job])))
    assert jobs.listed(client, 50) == [job]


def test_the_newest_completed_job_is_found_without_reading_on(client: Any, pages: list[str]) -> None:
    """Of the stage and the experiment; one that failed since does not count."""
    assert jobs.completed(client, "prod", MINE).name == "job-430"
    assert all("tag=stage" in page for page in pages)
    assert len(pages) <= (FILLED - 430) // PAGE + 2


def test_jobs_of_others_do_not_stand_in_the_way(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy workspace's are many, and have no stage: they are not looked through."""
    monkeypatch.setattr(jobs, "_SEARCHED", 300)
    assert FILLED - 430 > 300 > STAGED - 430
    assert jobs.completed(client, "prod", MINE).name == "job-430"


def test_a_job_behind_the_newest_500_is_found_by_its_name_only(client: Any, pages: list[str]) -> None:
    """The list is not read for it; without a name the search ends after so many."""
    assert jobs.completed_as(client, "prod", "job-0").name == "job-0"
    assert pages == []
    with pytest.raises(NotFound, match="no completed dev job"):
        jobs.completed(client, "dev", MINE)
    assert len(pages) <= 6


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("job-1", "job job-1 is no prod job: its tag stage is dev"),
        ("job-2", "job job-2 is no completed prod job: it is Failed"),
        ("job-x", "there is no job job-x"),
    ],
)
def test_a_job_that_cannot_be_registered_is_told_apart(client: Any, name: str, said: str) -> None:
    """Another stage's, one that did not complete, none at all."""
    with pytest.raises(NotFound, match=said):
        jobs.completed_as(client, "prod", name)


@pytest.mark.parametrize("name", ["../../x", "..", "a b/c?#", "", "x\n", "jöb"])
def test_a_name_that_cannot_be_is_not_asked_for(name: str) -> None:
    """It would be an address of something else: this client has no jobs to ask for, get or cancel."""
    client: Any = None
    for ask in (
        lambda: jobs.get(client, name),
        lambda: jobs.cancel(client, name, deadline_seconds=1),
        lambda: jobs.completed_as(client, "prod", name),
    ):
        with pytest.raises(NotFound) as caught:
            ask()
        assert str(caught.value) == f"there is no job {name}; inv status lists the newest"
