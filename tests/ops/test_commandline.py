"""Before any task runs: the menu, and what was meant by a command line that cannot be."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from house import environment

from ops import boundary, commandline

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
KNOWN = ["deploy", "rollout", "workspace.start"]


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("No idea what 'deplyo' is!", 'there is no task "deplyo": did you mean inv deploy? inv --list shows all'),
        ("No idea what '--slt' is!", "inv shift has no option --slt: did you mean --slot? inv --help shift shows all"),
        ("No idea what 'workspace' is!", "inv workspace alone is no task: workspace.start; inv --list workspace"),
        ("No idea what 'start' is!", 'there is no task "start": did you mean inv workspace.start? inv --list'),
        ("No idea what 'help' is!", 'there is no task "help": did you mean inv --help?'),
        ("No idea what '25' is!", 'inv shift takes no "25": give it with an option; inv --help shift shows all'),
        ("No idea what 'slot' is!", 'inv shift takes no "slot": did you mean --slot? inv --help shift shows all'),
        ("Flag <Argument: on_fail> needed value and was not given one!", "--on-fail needs a value; inv --help shift"),
        ("'cancel' did not receive required positional arguments: 'job'", "inv cancel needs --job; inv --help cancel"),
        ("something new", "something new"),
    ],
)
def test_a_wrong_word_is_answered_with_the_right_one(said: str, answer: str) -> None:
    """What Invoke says of it, and what was probably meant."""
    assert commandline.explain(said, KNOWN, "shift", ["--slot", "-s"]).startswith(answer)


def test_a_first_word_that_is_like_no_task() -> None:
    """There is nothing to suggest but the list."""
    said = commandline.explain("No idea what 'zzz' is!", KNOWN, None, [])
    assert said == 'there is no task "zzz"; inv --list shows all'


@pytest.mark.parametrize(
    "words",
    [
        ["deplyo"],
        ["deploy", "--slt", "blue"],
        ["shift", "--green"],
        ["cancel"],
        ["--help", "deplyo"],
        ["--list", "nope"],
    ],
)
def test_wrong_usage_ends_with_exit_code_2(words: list[str]) -> None:
    """One line on standard error, none on standard output, and nothing is begun."""
    done = subprocess.run(
        [sys.executable, "-m", "invoke", *words],
        cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == boundary.WRONG_USAGE
    assert done.stdout == ""
    assert done.stderr.startswith("usage: ")
    assert done.stderr.count("\n") == 1


def test_a_script_reads_what_was_wrong_with_its_words() -> None:
    """With --json the one line is there as an object as well."""
    done = subprocess.run(
        [sys.executable, "-m", "invoke", "shift", "--gren", "10", "--json"],
        cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    found = json.loads(done.stdout)
    assert (found["outcome"], found["exit_code"]) == ("usage-error", done.returncode) == ("usage-error", 2)
    assert "did you mean --green?" in found["reason"]


@pytest.mark.parametrize("words", [[], ["--list"]])
def test_the_menu_is_grouped_and_fits_a_terminal(words: list[str]) -> None:
    """`inv` alone shows it too: a title for each group, and each task's sentence on one line of 80 columns."""
    done = subprocess.run(
        [sys.executable, "-m", "invoke", *words],
        cwd=ROOT, env=environment({"COLUMNS": "80"}), capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    lines = done.stdout.splitlines()
    assert [line for line in lines if line and line[0].islower() and not line.startswith("inv ")] == [
        "train", "deploy", "look", "call", "local workspace"
    ]  # fmt: skip
    assert max(map(len, lines)) <= 80


def test_one_group_of_the_menu() -> None:
    """`inv --list workspace` is the same menu without the other groups."""
    done = subprocess.run(
        [sys.executable, "-m", "invoke", "--list", "workspace"],
        cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    listed = [line.split()[0] for line in done.stdout.splitlines() if line.startswith("  ")]
    assert listed == ["workspace.start", "workspace.stop", "workspace.status", "workspace.logs", "workspace.reset"]


def test_the_help_of_an_option_is_still_there() -> None:
    """Reading the command line beforehand takes nothing away from what `inv --help TASK` shows."""
    done = subprocess.run(
        [sys.executable, "-m", "invoke", "--help", "deploy"],
        cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert "say what would be done" in done.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_its_completion_script(shell: str) -> None:
    """`inv --print-completion-script` names the program that it completes."""
    done = subprocess.run(
        [sys.executable, "-m", "invoke", "--print-completion-script", shell],
        cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert "--complete" in done.stdout
    assert "inv" in done.stdout


@pytest.mark.skipif(not Path("/bin/bash").exists(), reason="no bash here")
def test_bash_completes_tasks_and_options(tmp_path: Path) -> None:
    """The script, sourced in a real bash as README says: `inv dep` and TAB is deploy."""
    for name in ("inv", "invoke"):
        (tmp_path / name).write_text(f'#!/bin/sh\nexec {sys.executable} -m invoke "$@"\n')
        (tmp_path / name).chmod(0o755)
    ask = (
        'source <(inv --print-completion-script bash); COMP_WORDS=(inv "$1"); COMP_CWORD=1; '
        'COMP_LINE="inv $1"; COMP_POINT=${#COMP_LINE}; _complete_invoke inv "$1" inv; echo "${COMPREPLY[@]}"'
    )
    found = {}
    for typed in ("dep", "workspace.st"):
        done = subprocess.run(
            ["/bin/bash", "-c", ask, "bash", typed],
            cwd=ROOT, env=environment({"PATH": f"{tmp_path}:/usr/bin:/bin"}), capture_output=True, text=True,
            timeout=60, check=True,
        )  # fmt: skip
        found[typed] = set(done.stdout.split())
    assert found == {"dep": {"deploy"}, "workspace.st": {"workspace.start", "workspace.status", "workspace.stop"}}


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("words", [["--list"], ["--help", "deploy"]])
def test_a_reader_who_has_seen_enough_is_no_fault(words: list[str], unbuffered: str) -> None:
    """inv | head: nobody reads the pipe any more, and standard error stays empty, whenever the text is written."""
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "invoke", *words]
    done = subprocess.run(
        command, check=False, cwd=ROOT, env=environment({"PYTHONUNBUFFERED": unbuffered}),
        stdout=writing, stderr=subprocess.PIPE, timeout=60,
    )  # fmt: skip
    os.close(writing)
    assert done.returncode == 141
    assert not done.stderr


@pytest.mark.parametrize("program", ["/usr/lib/pytest/__main__.py", "/usr/bin/pytest"])
def test_another_program_may_load_the_tasks(program: str) -> None:
    """python -m pytest, say, is not python -m invoke: no menu is shown to it, and it is not ended."""
    load = f"import sys; sys.argv = [{program!r}]; import tasks; print(len(tasks.NAMES))"
    done = subprocess.run(
        [sys.executable, "-c", load],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert int(done.stdout) > 10


def test_only_a_fault_of_the_settings_is_laid_to_them() -> None:
    """A defect of our own before any task shows its traceback, and keeps the exit code of one."""
    code = "from ops import commandline; commandline.guard_start(); int('many')"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT / "src", capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "invoke.yaml" not in done.stderr


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.yaml", b"\xff\xfe\n", "'utf-8' codec can't decode byte 0xff"),
        ("a.yaml", b": : [", "while parsing a block mapping"),
        ("a.yaml", b"rollout: foo", "rollout must be a mapping of settings, as in invoke.yaml"),
        ("a.yaml", b"names: {endpoint: {eu: x}}", "names.endpoint must be a value, not a mapping"),
        ("a.yaml", b"1: 2", "1 is not a setting, whose names are all words"),
        ("a.yaml", b"rollout: {yes: 2}", "True is not a setting, whose names are all words"),
        ("a.yaml", b"foo", "it must be a mapping of settings, as in invoke.yaml"),
        ("a.yaml", b"[1]", "it must be a mapping of settings, as in invoke.yaml"),
        ("a.yaml", b"[]", "it must be a mapping of settings, as in invoke.yaml"),
        ("a.json", b'{"rollout": ', "Expecting value: line 1"),
        ("a.py", b"import nope", "No module named 'nope'"),
        ("a.txt", b"", "Config files of type 'txt'"),
    ],
)
def test_a_file_of_settings_that_cannot_be_read_is_named(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    """With the setting, where it is one; no value of the file or around it is part of the message."""
    (tmp_path / name).write_bytes(content)
    done = subprocess.run(
        [sys.executable, "-m", "invoke", "-f", str(tmp_path / name), "workspace.status", "--json"],
        cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == boundary.WRONG_USAGE
    assert done.stderr.startswith(f"usage: {tmp_path / name} cannot be read: {said}")
    assert done.stderr.count("\n") == 1
    assert "{'" not in done.stderr
    found = json.loads(done.stdout)
    assert (found["outcome"], found["exit_code"]) == ("usage-error", 2)


def test_a_file_of_settings_may_be_empty(tmp_path: Path) -> None:
    """It changes nothing: all that is wrong here is the variable."""
    (tmp_path / "a.yaml").write_text("# nothing yet\n")
    done = subprocess.run(
        [sys.executable, "-m", "invoke", "-f", str(tmp_path / "a.yaml"), "workspace.status"],
        cwd=ROOT, env=environment({"INVOKE_NAMES_ENDPOINT": "9lives"}), capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert done.stderr.startswith("usage: settings: names.endpoint: must be 3 to 32")


STREAMS = """
import os, subprocess, sys
from ops import commandline, console
commandline.guard_start()
assert console.ask("Train?") is False
print("said")
print("warned", file=sys.stderr)
for number in range(3):
    os.fstat(number)
assert open(os.devnull).fileno() > 2
subprocess.run([sys.executable, "-c", "import os; [os.fstat(number) for number in range(3)]"], check=True)
"""


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_stream_that_was_closed_from_outside_is_no_fault(closed: str) -> None:
    """As cron and services do: no answer is no, what is said goes nowhere, and no file gets the stream's number."""
    done = subprocess.run(
        ["/bin/sh", "-c", f'exec "$0" -c "$1" {closed}', sys.executable, STREAMS],
        cwd=ROOT / "src", env=environment(), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout == ("" if ">&- " in f"{closed} ".replace("2>&-", "") else "said\n")
    assert done.stderr == ("" if "2>&-" in closed else "warned\n")


def test_ctrl_c_before_any_task_shows_no_traceback() -> None:
    """It ends as it does within a task."""
    code = "from ops import commandline; commandline.guard_start(); raise KeyboardInterrupt"
    done = subprocess.run(
        [sys.executable, "-c", code, "--json"],
        cwd=ROOT / "src", env=environment(), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == boundary.INTERRUPTED
    assert done.stderr.startswith("interrupted: ")
    assert done.stderr.count("\n") == 1
    assert json.loads(done.stdout)["outcome"] == "interrupted"
