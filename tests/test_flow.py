"""The flow of docs/flow.md, row by row, as a user runs it: tasks in a terminal, the real SDK, real processes.

The tests of this module share one checkout and one workspace, and go through the story in order.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import shapes
from house import House, environment

from ops import csv_rows, replay, traffic, workspace
from ops.project import Project
from ops.rollout.monitor import Monitor

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def project(house: House) -> Project:
    """The checkout's project in this process: to read back what the tasks did."""
    return Project(house.settings(), house.root)


@pytest.fixture(scope="module", autouse=True)
def tape(house: House) -> Path:
    """What is said to the workspace from its first call on."""
    return house.tape()


@pytest.fixture
def clients(project: Project) -> Iterator[replay.Replay]:
    """Clients that call the endpoint while the test runs; not one of their requests may fail."""
    rows = csv_rows.read(project.root / "data/live", project.sample, limit=1000)
    with replay.Replay(project.address, project.sample, rows, clients=4, requests_a_second=40) as running:
        yield running
    failed = [answer for answer in running.answers if not answer.ok]
    assert running.answers, "no client got an answer: the test proved nothing"
    assert failed == []


def ok(done: subprocess.CompletedProcess[str]) -> str:
    """Return what the command printed; fail with all of it when it did not end well."""
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


def refused(done: subprocess.CompletedProcess[str], code: int = 1) -> str:
    """Return the message of a command that must fail with this code."""
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert "defect of this project" not in done.stderr
    return done.stderr


def told(done: subprocess.CompletedProcess[str], code: int = 0) -> dict[str, Any]:
    """Return the JSON object that a command with --json printed, and nothing else, before it ended with this code."""
    assert done.returncode == code, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert found.get("exit_code", 0) == code
    return found


def split(project: Project) -> dict[str, int]:
    return dict(traffic.read(project.client, project.endpoint).live)


def status(house: House) -> dict[str, Any]:
    return told(house.inv("status", "--json"))


def test_row_12_deploy_without_a_model(house: House) -> None:
    """No model and no completed prod job: exit 1, and the way out."""
    said = refused(house.inv("deploy"))
    assert "no registered model: run training first (inv train-dev, then inv train-prod)" in said


def test_row_7_prod_is_refused_without_a_dev_success(house: House) -> None:
    """The gate is closed until a dev job of this very code has completed."""
    assert "run inv train-dev first" in refused(house.inv("train-prod", "--yes"))
    assert status(house)["jobs"] == []


def test_rows_2_3_4_a_dev_job_is_submitted_polled_and_judged(house: House) -> None:
    """FLOW 2, FLOW 3, FLOW 4: each change of status is shown with the time, and Completed is success."""
    said = ok(house.inv("train-dev"))
    assert re.search(r"job \S+: submitted from data/dev", said)
    assert re.search(r"job \S+: Completed \(\d+\.\d s\)", said)
    assert "auc" in said
    [job] = status(house)["jobs"]
    assert (job["stage"], job["status"]) == ("dev", "Completed")


def test_row_6_a_person_must_say_yes(house: House) -> None:
    """Without a terminal and without --yes nothing is submitted."""
    assert "not approved" in refused(house.inv("train-prod", stdin="y\n"))
    assert len(status(house)["jobs"]) == 1


def test_rows_8_and_9_prod_trains_and_is_registered(house: House, project: Project) -> None:
    """FLOW 8, FLOW 9: the model's tags lead back to job, code, data, metrics and libraries."""
    said = ok(house.inv("train-prod", "--yes"))
    assert "vouches for this code" in said
    assert "model flight-delays:1: registered" in said
    tags = project.client.models.get("flight-delays", version="1").tags
    assert {"job", "git_commit", "data_fingerprint", "fingerprint", "metric.auc", "library.scikit-learn"} <= set(tags)
    assert float(tags["metric.auc"]) > 0.5


def test_a_dry_run_of_a_deploy_changes_nothing(house: House, project: Project) -> None:
    """It says what would be done: no endpoint, no deployment."""
    assert "flight-delays:1 goes to blue (dry run: nothing is changed)" in ok(house.inv("deploy", "--dry-run"))
    assert list(project.client.online_endpoints.list()) == []


def test_row_9_registering_twice_gives_the_same_version(house: House) -> None:
    """The job is version 1 and stays it."""
    assert "flight-delays:1 is job" in ok(house.inv("register"))


def test_row_7_a_change_of_code_closes_the_gate_again(house: House) -> None:
    """Other code needs a dev success of its own; the old code has one still."""
    file = house.root / "src/train/evaluate.py"
    before = file.read_text()
    file.write_text(before + "\n# changed\n")
    assert "run inv train-dev first" in refused(house.inv("train-prod", "--yes"))
    file.write_text(before)


def test_rows_11_13_14_15_16_the_first_deployment(house: House, project: Project) -> None:
    """FLOW 11, FLOW 13, FLOW 14, FLOW 15, FLOW 16: blue is made, tested, and gets all the traffic."""
    said = ok(house.inv("deploy"))
    assert "flight-delays:1 goes to blue" in said
    assert re.search(r"blue: passed all \d+ checks", said)
    assert split(project) == {"blue": 100}


def test_row_18_ways_to_call_it(house: House, project: Project) -> None:
    """inv score, the stand-alone client, cURL and Postman all reach the endpoint; none of them shows the key."""
    address = project.address
    assert len(json.loads(ok(house.inv("score")))["predictions"]) == 3
    curl = ok(house.inv("curl", "--slot", "blue"))
    called = subprocess.run(
        ["bash", "-c", curl],
        cwd=house.root,
        env=environment({"ENDPOINT_KEY": address.key}),
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(json.loads(called.stdout)["probabilities"]) == 3
    alone = subprocess.run(
        [sys.executable, "src/score/test_endpoint.py", "--scoring-uri", address.uri, "--deployment", "blue"],
        cwd=house.root, env=environment({"ENDPOINT_KEY": address.key}), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert alone.returncode == 0, alone.stdout + alone.stderr
    ok(house.inv("postman"))
    collection = (house.root / "outputs/postman.json").read_text()
    assert json.loads(collection)["item"][0]["request"]["method"] == "POST"
    for text in (curl, called.stdout, alone.stdout, alone.stderr, collection):
        assert address.key not in text
    assert "key is not shown" in refused(house.inv("key"), 2)
    assert ok(house.inv("key", "--export")).strip() == f"export ENDPOINT_KEY={address.key}"


def test_row_13_an_existing_endpoint_keeps_what_it_has(house: House, project: Project) -> None:
    """Tags, keys and traffic are there after another deploy, which has nothing newer to do (FLOW 19)."""
    endpoint = project.client.online_endpoints.get("flight-delays")
    endpoint.tags["team"] = "network"
    project.client.online_endpoints.begin_create_or_update(endpoint).result()
    key = project.address.key
    assert "nothing newer to deploy" in ok(house.inv("deploy"))
    assert project.address.key == key
    assert project.client.online_endpoints.get("flight-delays").tags["team"] == "network"
    assert split(project) == {"blue": 100}


def test_row_26_the_live_colour_is_never_cleaned_up(house: House, project: Project) -> None:
    """There is nothing without traffic."""
    assert "nothing to clean up" in ok(house.inv("cleanup"))
    assert split(project) == {"blue": 100}


def test_row_20_a_second_version_starts_at_0_percent(house: House, project: Project, clients: replay.Replay) -> None:
    """A new model goes to green, is tested there, and no client reaches it."""
    ok(house.inv("train-prod", "--yes"))
    assert "flight-delays:2 goes to green" in ok(house.inv("deploy"))
    assert split(project) == {"blue": 100}
    assert {answer.slot for answer in clients.answers} == {"blue"}


def test_rows_21_23_shift_by_hand(house: House, project: Project, clients: replay.Replay) -> None:
    """FLOW 21, FLOW 23: the split is what was asked for, and clients see both colours."""
    assert told(house.inv("shift", "--green", "40", "--json"))["traffic"] == {"blue": 60, "green": 40}
    start = time.monotonic()
    while {answer.slot for answer in clients.between(start, time.monotonic())} != {"blue", "green"}:
        assert time.monotonic() - start < 20, "one colour got no request"
        time.sleep(0.1)
    assert split(project) == {"blue": 60, "green": 40}


def test_row_22_live_requests_are_counted_by_deployment_and_status(project: Project, clients: replay.Replay) -> None:
    """Azure Monitor's own library reads them, as it does on Azure: what the clients saw, split as they saw it."""
    endpoint = project.client.online_endpoints.get(project.endpoint)
    monitor = Monitor(workspace.metrics_client(project.settings, endpoint.location), endpoint.id)
    minute = time.time() // 60 * 60
    before = monitor.requests(minute - 60, minute + 120)
    seen = len(clients.answers)
    deadline = time.monotonic() + 20
    while len(clients.answers) < seen + 50:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    after = monitor.requests(minute - 60, minute + 120)
    more = {key: number - before.get(key, 0) for key, number in after.items() if number != before.get(key, 0)}
    assert {slot for slot, _ in more} == {"blue", "green"}
    assert {status for _, status in more} == {200}
    assert 50 <= sum(more.values()) <= len(clients.answers) - seen + 8


def test_a_deploy_waits_for_the_end_of_a_rollout(house: House) -> None:
    """Neither colour is idle."""
    assert "a rollout is under way" in refused(house.inv("deploy"))
    assert "both colours have traffic" in refused(house.inv("cleanup"))


def test_row_24_rollback_by_hand(house: House, project: Project, clients: replay.Replay) -> None:
    """All traffic is on the old colour again, read back, and the model's history says so."""
    assert told(house.inv("rollback", "--json"))["traffic"] == {"blue": 100}
    assert split(project) == {"blue": 100}
    assert "%: by hand" in ok(house.inv("history"))


def test_a_deployment_that_was_rolled_back_is_not_rolled_out_again_by_itself(house: House) -> None:
    """Only with --force, since nothing about it has changed."""
    assert "was rolled back" in refused(house.inv("rollout"))
    seen = status(house)
    assert [slot["rolled_back"] for slot in seen["slots"]] == [False, True]
    assert "mend green" in seen["next"]


def test_rows_21_22_23_rollout_to_the_end(house: House, project: Project, clients: replay.Replay) -> None:
    """FLOW 22: each step is judged by probes; then green has everything. Forced once, it goes on without."""
    said = ok(house.inv("rollout", "--force", "--step", "10"))
    assert not any(slot["rolled_back"] for slot in status(house)["slots"])
    said += ok(house.inv("rollout"))
    for step in (10, 25, 50):
        assert f"traffic: blue {100 - step} %, green {step} %" in said
    assert "rollout complete: green has all the traffic" in said
    assert split(project) == {"green": 100}


def test_a_rollout_can_be_run_twice(house: House) -> None:
    """The second finds nothing to do."""
    done = house.inv("rollout", "--json")
    assert "nothing to roll out" in done.stderr
    assert told(done) == {"outcome": "done", "new": "green", "old": "blue", "share": 100}


def test_row_26_cleanup_deletes_the_old_colour(house: House, project: Project, clients: replay.Replay) -> None:
    """Blue is gone, green serves, and a second cleanup finds nothing."""
    assert "deleted blue" in ok(house.inv("cleanup"))
    assert [found.name for found in project.client.online_deployments.list("flight-delays")] == ["green"]
    assert told(house.inv("cleanup", "--json"))["deleted"] is None
    assert "only deployment" in told(house.inv("rollback", "--json"), 1)["reason"]


def test_always_an_answer_is_traced_to_its_commit(house: House) -> None:
    """inv trace: from a live answer to deployment, model version, job, metrics, data and commit, in one command."""
    found = json.loads(ok(house.inv("trace", "--json")))
    assert found["deployment"]["slot"] == "green"
    assert found["model"]["version"] == found["answer"]["model"]["version"] == "2"
    assert found["job"]["status"] == "Completed"
    assert found["metrics"]["auc"]
    assert found["data"]["fingerprint"]
    assert found["git_commit"]
    assert "flight-delays:2" in ok(house.inv("history"))


def spoil(house: House, name: str) -> None:
    """Put the bad release demo/NAME in front of the scoring code of the checkout."""
    score = house.root / "src/score"
    if not (score / "good_score.py").exists():
        (score / "score.py").rename(score / "good_score.py")
    (score / "score.py").write_text((house.root / "demo" / name / "score.py").read_text())


def mend(house: House) -> None:
    score = house.root / "src/score"
    (score / "good_score.py").replace(score / "score.py")


def test_row_17_a_release_that_fails_its_test_gets_no_traffic(
    house: House, project: Project, clients: replay.Replay
) -> None:
    """The command fails, the traffic stays where it was, and the endpoint still serves. FLOW 27: it went to blue."""
    spoil(house, "broken")
    failed = told(house.inv("deploy", "--json"), 1)
    assert (failed["outcome"], {check["ok"] for check in failed["checks"]}) == ("test-failed", {True, False})
    assert "blue failed" in failed["reason"]
    assert told(house.inv("rollout", "--json"), 1)["outcome"] == "test-failed"
    assert split(project) == {"green": 100}


def test_row_24_a_flaky_release_is_rolled_back_by_itself(house: House, project: Project) -> None:
    """It passes its test, fails in fog, and everything is on green again. FLOW 25: the evidence is kept."""
    spoil(house, "flaky")
    assert "blue: passed all" in ok(house.inv("deploy"))
    # It fails in a few of a hundred requests: by the margin of five that the tests are in haste with, it may pass.
    house.set(rollout={"margin": 0.01})
    ended = told(house.inv("rollout", "--json"), 1)
    house.set(rollout={"margin": 0.05})
    assert re.search(r"blue was rolled back at \d+ %: error: blue \d+ of \d+", ended["reason"])
    assert ended["splits"][0] == "blue 10 %, green 90 %"
    assert ended["evidence"]["error"]["new"][0] > 0
    assert split(project) == {"green": 100}
    assert "error: blue" in status(house)["rolled_back"]
    past = told(house.inv("history", "--json"))["models"]
    [version] = [each for each in past if each["model"] == "flight-delays:2"]
    assert "rolled back" in next(iter(version["rollouts"].values()))
    page = house.root / ended["report"]
    assert "KeyError" in page.read_text(), "the log is kept"
    assert "424: " in page.read_text()
    assert "KeyError" in ok(house.inv("logs", "--slot", "blue", "--lines", "2000"))


def test_row_25_the_mended_version_replaces_the_bad_one(house: House, project: Project, clients: replay.Replay) -> None:
    """FLOW 25, FLOW 27: mended, redeployed to the same slot, rolled out; the colours have changed places."""
    mend(house)
    (house.root / "src/score/payload.py").open("a").write("\n# mended\n")
    assert "goes to blue" in ok(house.inv("deploy"))
    ok(house.inv("rollout"))
    assert split(project) == {"blue": 100}


def test_the_workspace_outlives_its_server(house: House, project: Project) -> None:
    """inv workspace.stop keeps the state; the next task starts it, and the endpoint serves as before."""
    address = project.address
    assert "stopped" in ok(house.inv("workspace.stop"))
    assert "was not up" in ok(house.inv("workspace.stop"))
    with pytest.raises(requests.ConnectionError):
        requests.get(address.uri, timeout=2)
    assert json.loads(ok(house.inv("score")))["model"]["version"] == "2"


def test_what_the_whole_flow_heard_azure_could_have_said(tape: Path) -> None:
    """Every answer of the control plane so far has the service's statuses, headers and shapes."""
    lines = tape.read_text().splitlines()
    heard = [exchange for exchange in map(shapes.of_line, lines) if shapes.is_control(exchange.url)]
    kinds = {exchange.method for exchange in heard}
    assert len(heard) > 300
    assert {"GET", "PUT", "POST"} <= kinds
    if shapes.can_judge():
        assert [fault for exchange in heard for fault in shapes.faults(exchange)] == []


def test_reset_empties_the_workspace(house: House) -> None:
    """It asks first, and then nothing is left."""
    assert "as it was" in refused(house.inv("workspace.reset"))
    ok(house.inv("workspace.reset", "--yes"))
    assert not (house.root / ".workspace").exists()
    assert "not up" in refused(house.inv("workspace.status"))
