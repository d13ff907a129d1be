"""Bad input and bad luck: a clear message, the right exit code, nothing lost, and a second try that works."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from house import House, environment

from local import launch

pytestmark = pytest.mark.slow


def refused(done: subprocess.CompletedProcess[str], code: int) -> str:
    """Return the message of a command that must fail with this code, without a traceback but for one in a shown log."""
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr.split("--- inference-server")[0]
    assert "defect of this project" not in done.stderr
    return done.stderr


def ok(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["shift", "--green", "101"], "whole number from 0 to 100"),
        (["shift", "--green", "-5"], "whole number from 0 to 100"),
        (["shift", "--green", "2.5"], "whole number from 0 to 100"),
        (["shift", "--blue", "ten"], "whole number from 0 to 100"),
        (["shift"], "give --green N or --blue N"),
        (["shift", "--green", "10", "--blue", "90"], "give --green N or --blue N"),
        (["shift", "--green", "60", "--mirror"], "mirrors at most 50 %"),
        (["shift", "--green", "9" * 5000], "whole number from 0 to 100"),
        (["score", "--file", "no-such.json"], "no-such.json"),
        (["workspace.logs", "--lines", "0"], "--lines wants a number from 1 on"),
        (["workspace.logs", "--lines", "-3"], "--lines wants a number from 1 on"),
    ],
)
def test_wrong_values_are_wrong_usage(house: House, words: list[str], said: str) -> None:
    """Exit 2, with what would be right."""
    assert said in refused(house.inv(*words), 2)


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"INVOKE_ROLLOUT_MIN_REQUESTS": "many"}, "INVOKE_ROLLOUT_MIN_REQUESTS cannot be read"),
        ({"INVOKE_ROLLOUT_STEPS": "10, 20"}, "end at 100"),
        ({"INVOKE_NAMES_ENDPOINT": "9lives"}, "names.endpoint: must be 3 to 32"),
        ({"INVOKE_WORKSPACE": "my-workspace"}, "needs resource_group and subscription"),
    ],
)
def test_wrong_settings_are_wrong_usage(house: House, variables: dict[str, str], said: str) -> None:
    """Exit 2, naming the setting, before anything is started."""
    assert said in refused(house.inv("status", **variables), 2)


def test_an_unknown_setting_is_refused(fresh_house: House) -> None:
    """A typing error in invoke.yaml does not pass in silence, and YAML that is none is said to be so."""
    file = fresh_house.root / "invoke.yaml"
    text = file.read_text()
    file.write_text(text + "\nendpiont: flights\n")
    assert "endpiont is not a setting" in refused(fresh_house.inv("status"), 2)
    file.write_text(text + "\n: : [\n")
    assert "cannot be read" in refused(fresh_house.inv("status"), 2)
    assert not (fresh_house.root / ".workspace").exists()


def test_an_empty_data_folder_is_refused_before_a_job_is_sent(fresh_house: House) -> None:
    """The message names the setting."""
    for file in (fresh_house.root / "data/dev").iterdir():
        file.unlink()
    assert "data.dev: data/dev is not a folder with CSV files" in refused(fresh_house.inv("train-dev"), 2)


def test_row_4_row_5_a_job_that_fails(house: House) -> None:
    """Exit 1, with the job's own error and the end of its log; the next try works."""
    said = refused(house.inv("train-dev", INVOKE_TRAIN_TARGET="lateness"), 1)
    assert "Failed" in said
    assert "lateness" in said
    assert "Completed" in ok(house.inv("train-dev"))


def slow_training(house: House, seconds: int) -> str:
    """Make the training script wait first; return its text before."""
    script = house.root / "src/train/train.py"
    before = script.read_text()
    lead, future, rest = before.partition("from __future__ import annotations\n")
    script.write_text(f"{lead}{future}import time\nprint('waiting', flush=True)\ntime.sleep({seconds})\n{rest}")
    return before


def newest_job(house: House) -> dict[str, str]:
    found: dict[str, str] = json.loads(ok(house.inv("status", "--json")))["jobs"][0]
    return found


def test_row_4_a_job_that_hangs_ends_the_command_at_the_deadline(house: House) -> None:
    """Exit 1 with the state and the log; inv cancel ends the job itself, and cancelling twice is fine."""
    before = slow_training(house, 600)
    house.set(wait={"job_minutes": 0.05})
    said = refused(house.inv("train-dev"), 1)
    assert "not done after" in said
    assert "Running" in said
    job = newest_job(house)
    assert job["status"] == "Running"
    assert "Canceled" in ok(house.inv("cancel", "--job", job["name"]))
    assert "Canceled" in ok(house.inv("cancel", "--job", job["name"]))
    house.set(wait={"job_minutes": 2})
    (house.root / "src/train/train.py").write_text(before)


def test_row_4_a_job_that_is_cancelled_ends_the_command(house: House) -> None:
    """Exit 1: only Completed is success."""
    before = slow_training(house, 600)
    with started(house, "train-dev") as command:
        wait_for(command, "Running")
        ok(house.inv("cancel", "--job", newest_job(house)["name"]))
        _, said = command.communicate(timeout=60)
    assert command.returncode == 1
    assert "Canceled" in said
    (house.root / "src/train/train.py").write_text(before)


@contextlib.contextmanager
def started(house: House, *words: str):  # type: ignore[no-untyped-def]
    """Start a task without waiting for it."""
    command = subprocess.Popen(
        [sys.executable, "-m", "invoke", *words],
        cwd=house.root,
        env=environment({"PYTHONUNBUFFERED": "1"}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield command
    finally:
        command.kill()
        command.communicate()


def wait_for(command: subprocess.Popen[str], text: str, seconds: float = 60) -> None:
    """Read the command's output until a line has `text`."""
    assert command.stdout is not None
    deadline = time.monotonic() + seconds
    for line in command.stdout:
        if text in line:
            return
        assert time.monotonic() < deadline
    raise AssertionError(f"the command ended without saying {text}: {command.communicate()}")


def test_ctrl_c_during_a_job_leaves_the_job(house: House) -> None:
    """Exit 130; the job goes on and can be found, and a second try works."""
    before = slow_training(house, 5)
    with started(house, "train-dev") as command:
        wait_for(command, "Running")
        command.send_signal(signal.SIGINT)
        out, said = command.communicate(timeout=30)
    assert command.returncode == 130, out + said
    assert "Traceback" not in said
    assert "goes on without this command" in out
    deadline = time.monotonic() + 60
    while newest_job(house)["status"] != "Completed":
        assert time.monotonic() < deadline
        time.sleep(0.5)
    (house.root / "src/train/train.py").write_text(before)
    ok(house.inv("train-dev"))


def test_a_scoring_script_that_fails_in_init(house: House) -> None:
    """The deployment fails with the container's log in the message, gets no traffic, and cannot be given any."""
    ok(house.inv("train-prod", "--yes"))
    ok(house.inv("deploy"))
    script = house.root / "src/score/score.py"
    before = script.read_text()
    script.write_text(before.replace("def init() -> None:", "def init() -> None:\n    raise OSError('no luck')"))
    said = refused(house.inv("deploy"), 1)
    assert "deployment green failed" in said
    assert "the container died of OSError: no luck" in said
    assert "green is Failed, not Succeeded" in refused(house.inv("shift", "--green", "10"), 1)
    seen = json.loads(ok(house.inv("status", "--json")))
    assert [(slot["slot"], slot["traffic"], slot["state"]) for slot in seen["slots"]] == [
        ("blue", 100, "Succeeded"),
        ("green", 0, "Failed"),
    ]
    assert "mend green (inv logs --slot green), then inv deploy" in seen["next"]
    assert "green did not come up" in refused(house.inv("rollout"), 1)
    script.write_text(before + "\n# mended\n")
    assert "green: passed all" in ok(house.inv("deploy"))


def test_a_scoring_script_that_fails_in_run(house: House) -> None:
    """The test catches it; what is live stays live."""
    script = house.root / "src/score/score.py"
    before = script.read_text()
    script.write_text(before + "\n\ndef run(body):\n    raise RuntimeError('no luck')\n")
    assert "green failed" in refused(house.inv("deploy"), 1)
    assert "no luck" in ok(house.inv("logs", "--slot", "green"))
    assert json.loads(ok(house.inv("score")))["predictions"]
    script.write_text(before)


def test_a_scoring_script_that_is_no_python(house: House) -> None:
    """The SDK refuses it before it is sent: the message has the file and the line."""
    script = house.root / "src/score/score.py"
    before = script.read_text()
    script.write_text("def run(b)\n")
    assert "syntax errors in scoring script score.py. Error on line 1: def run(b)\n" in refused(house.inv("deploy"), 1)
    script.write_text(before)


def test_a_colour_that_does_not_exist(house: House) -> None:
    """Exit 2 for a colour that cannot be, 1 for one that is not there."""
    for words in (["deploy"], ["logs"], ["score"], ["curl"], ["trace"], ["test-endpoint"]):
        assert "not a slot" in refused(house.inv(*words, "--slot", "red"), 2)
    assert "no version 77" in refused(house.inv("deploy", "--version", "77"), 1)
    assert "no version ../1" in refused(house.inv("deploy", "--version", "../1"), 1)
    (house.root / "eu.yaml").write_text("names: {endpoint: flights-eu}\n")
    assert "inv -f eu.yaml deploy" in refused(house.inv("-f", "eu.yaml", "score"), 1)
    assert json.loads(ok(house.inv("-f", "eu.yaml", "status", "--json")))["next"].startswith("inv -f eu.yaml ")
    assert "there is no job nobody" in refused(house.inv("logs", "--job", "nobody"), 1)
    for words in (["logs"], ["cancel"], ["register"]):
        assert "there is no job ../../x;" in refused(house.inv(*words, "--job", "../../x"), 1)


def test_ctrl_c_during_a_deploy(house: House) -> None:
    """Exit 130; what is live serves on, and a second deploy ends what the first began."""
    with started(house, "deploy") as command:
        wait_for(command, "goes to green")
        command.send_signal(signal.SIGINT)
        out, said = command.communicate(timeout=60)
    assert command.returncode == 130, out + said
    assert "Traceback" not in said
    assert json.loads(ok(house.inv("score")))["predictions"]
    assert "green: passed all" in ok(house.inv("deploy"))


def test_ctrl_c_in_the_midst_of_a_rollout(house: House) -> None:
    """The traffic stays as it is, and the next rollout goes on from there."""
    ok(house.inv("deploy"))
    house.set(rollout={"bake_seconds": 30})
    with started(house, "rollout") as command:
        wait_for(command, "green 10 %")
        deadline = time.monotonic() + 30
        while '"traffic": 10' not in ok(house.inv("status", "--json")):
            assert time.monotonic() < deadline
        command.send_signal(signal.SIGINT)
        out, said = command.communicate(timeout=30)
    assert command.returncode == 130, out + said
    assert "Traceback" not in said
    assert "interrupted" in said
    house.set(rollout={"bake_seconds": 0})
    assert "rollout complete: green has all the traffic" in ok(house.inv("rollout"))


def test_a_port_that_was_taken(house: House) -> None:
    """The local workspace comes up on another port, and everything is found there."""
    connection = launch.find(house.root / ".workspace")
    assert connection is not None
    port = int(connection.scoring.rsplit(":", 1)[1])
    ok(house.inv("workspace.stop"))
    with socket.socket() as stranger:
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        stranger.bind(("127.0.0.1", port))
        stranger.listen()
        assert json.loads(ok(house.inv("score")))["predictions"]
    again = launch.find(house.root / ".workspace")
    assert again is not None
    assert again.scoring != connection.scoring


def test_a_workspace_folder_that_cannot_be_used(fresh_house: House) -> None:
    """A file stands where the folder should be: exit 1, and it is left alone."""
    (fresh_house.root / ".workspace").write_text("mine")
    said = refused(fresh_house.inv("train-dev"), 1)
    assert ".workspace cannot be used" in said
    assert (fresh_house.root / ".workspace").read_text() == "mine"


def test_a_disk_that_is_full(fresh_house: House) -> None:
    """No file may grow past some kilobytes: a clear message, and with room again the second try works."""
    command = [sys.executable, "-m", "invoke", "train-dev"]
    limit = 24 * 1024
    done = subprocess.run(
        command,
        cwd=fresh_house.root,
        env=environment({"PYTHONDONTWRITEBYTECODE": "1"}),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    refused(done, 1)
    launch.stop(fresh_house.root / ".workspace")
    assert "Completed" in ok(fresh_house.inv("train-dev"))


def test_two_checkouts_side_by_side_do_not_meet(house: House, fresh_house: House) -> None:
    """Each has a workspace of its own."""
    assert json.loads(ok(fresh_house.inv("status", "--json")))["jobs"] == []
    assert json.loads(ok(house.inv("status", "--json")))["jobs"] != []
    one, two = (launch.find(place.root / ".workspace") for place in (house, fresh_house))
    assert one is not None
    assert two is not None
    assert one.arm != two.arm


def test_the_server_is_found_from_a_folder_below(house: House) -> None:
    """Tasks work from anywhere in the checkout."""
    below = House(house.root / "src/ops")
    assert json.loads(ok(below.inv("status", "--json")))["jobs"]
    assert not (house.root / "src/ops/.workspace").exists()
    assert Path(os.getcwd()) != house.root
