"""How a task ends: one message and an exit code; with --json one object on standard output, whatever came of it."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from azure.core import exceptions as azure
from azure.identity import CredentialUnavailableError

from ops import boundary, console
from ops.errors import OpsError, Paused, RolledBack, TestFailed, UsageError

SRC = Path(__file__).parents[2] / "src"


def ended(task: Callable[..., Any], capsys: pytest.CaptureFixture[str]) -> tuple[dict[str, Any], str, int]:
    """Run a task with --json; return what standard output holds, standard error, and the exit code."""
    code: Any = 0
    try:
        boundary.exits(task)(json=True)
    except SystemExit as exited:
        code = exited.code
    out, err = capsys.readouterr()
    found: dict[str, Any] = json.loads(out)
    return found, err, code


def test_json_is_all_that_a_script_reads(capsys: pytest.CaptureFixture[str]) -> None:
    """Progress goes to standard error, tables nowhere, what the task returns to standard output."""

    def deploy(json: bool) -> dict[str, str]:
        console.say("blue: up")
        console.show_pairs("checks", {"sample": "ok"})
        return {"slot": "blue"}

    found, err, code = ended(deploy, capsys)
    assert (found, code) == ({"outcome": "done", "slot": "blue"}, 0)
    assert "blue: up" in err
    assert "sample" not in err


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (azure.ServiceRequestTimeoutError("slow"), "the workspace cannot be reached: slow"),
        (azure.ServiceResponseTimeoutError("slow"), "the workspace cannot be reached: slow"),
        (azure.IncompleteReadError("cut"), "the workspace cannot be reached: cut"),
        (requests.ReadTimeout("slow"), "the workspace cannot be reached: slow"),
        (requests.exceptions.SSLError("no trust"), "the workspace cannot be reached: no trust"),
        (CredentialUnavailableError("nobody"), "this sign-in was not taken: nobody; az login"),
        (azure.HttpResponseError("no quota"), "the workspace answered: no quota"),
    ],
)
def test_what_did_not_answer_is_not_said_to_have_answered(fault: Exception, said: str) -> None:
    """Every kind of fault of the network, and of the sign-in, by what it is a kind of."""
    assert boundary.explain(fault)[1].startswith(said)


@pytest.mark.parametrize(
    ("fault", "outcome", "code"),
    [
        (RolledBack("green was slow"), "rolled-back", 1),
        (Paused("green was slow"), "paused", 3),
        (UsageError("green was slow"), "usage-error", 2),
        (OpsError("green was slow"), "error", 1),
        (KeyboardInterrupt(), "interrupted", 130),
    ],
)
def test_a_script_reads_how_it_failed(
    fault: BaseException, outcome: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Outcome, reason and exit code; people read the same reason on standard error."""

    def rollout(json: bool) -> None:
        print("about to fail")
        raise fault

    found, err, exited = ended(rollout, capsys)
    assert (found.pop("outcome"), found.pop("exit_code"), exited) == (outcome, code, code)
    assert found.pop("reason") in err
    assert found == {}
    assert "about to fail" in err


def test_the_facts_of_an_error_are_read_too(capsys: pytest.CaptureFixture[str]) -> None:
    """As the checks of a test that failed: people see the message alone."""

    def test(json: bool) -> None:
        raise TestFailed("1 of 1 checks", checks=[{"name": "sample", "ok": False}])

    found, err, _ = ended(test, capsys)
    assert found["checks"] == [{"name": "sample", "ok": False}]
    assert "sample" not in err


def test_without_json_nothing_is_added(capsys: pytest.CaptureFixture[str]) -> None:
    """What a task returns is for the script; people have been told."""
    assert boundary.exits(lambda: {"slot": "blue"})() == {"slot": "blue"}
    assert capsys.readouterr().out == ""


def test_a_task_that_is_told_to_end_says_so() -> None:
    """As after Ctrl-C: a runner that cancels a step sends SIGTERM, and the step says what goes on without it."""
    code = (
        "import time\nfrom ops import boundary\n"
        "def task():\n    print('at work', flush=True)\n    time.sleep(60)\n"
        "boundary.exits(task)()\n"
    )
    line = [sys.executable, "-c", code]
    with subprocess.Popen(line, cwd=SRC, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "at work\n"
        process.terminate()
        _, said = process.communicate(timeout=30)
    assert process.returncode == boundary.INTERRUPTED
    assert said.startswith("interrupted: ")


def test_a_terminal_of_another_encoding_costs_a_letter_and_no_more() -> None:
    """Not the task: what it did is done."""
    code = "from ops import commandline, console; commandline.guard_start(); console.say('blue → green')"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=SRC, env={**os.environ, "PYTHONIOENCODING": "latin-1"}, capture_output=True,
        timeout=60, check=True,
    )  # fmt: skip
    assert done.stdout.endswith(b"blue ? green\n")


def sdk_says(details: str) -> str:
    """Return the text with which the SDK refuses something before it sends it, colours and all."""
    return (
        "\n\x1b[37m\n\x1b[30m\n1) YAML file cannot be parsed.\n\x1b[39m\x1b[39m\n\n"
        f"Details: \n\n\x1b[31m(x) {details}\x1b[39m\n\n"
        "Resolutions: \n1) Double-check your YAML file for syntax and formatting errors.\n"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            sdk_says("Syntax errors in scoring script score.py.\nError on line 1: def run(b)\n\nIf you wish to go on"),
            "Syntax errors in scoring script score.py. Error on line 1: def run(b)",
        ),
        (sdk_says("name:\n- Not a valid string."), "name: - Not a valid string."),
        ("\n\x1b[31m(Conflict) the slot is busy\x1b[39m\nCode: Conflict", "(Conflict) the slot is busy"),
        ("\x1b[37m\n", "MlException"),
    ],
)
def test_what_the_sdk_says_is_told_by_its_gist(text: str, said: str) -> None:
    """Its first line may be a colour alone, and what was wrong stands below general words."""
    from azure.ai.ml.exceptions import MlException

    fault = MlException(message=text, no_personal_data_message="")
    assert boundary.explain(fault) == ("error", f"the workspace answered: {said}", 1)


def test_debug_shows_where_also_when_the_sdk_is_silenced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its log lines are turned off for the whole process, which must not turn off the traceback of --debug."""
    monkeypatch.setattr(logging.root.manager, "disable", logging.WARNING)
    assert not boundary.debugging()
    monkeypatch.setattr(logging.getLogger("invoke"), "level", logging.DEBUG)
    assert boundary.debugging()
