"""INVOKE_* variables and -f: what was meant is what is done, or the task ends before it does anything."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from house import environment

from ops import variables
from ops.errors import UsageError
from ops.settings import Settings, load

ROOT = Path(__file__).parents[2]
FILE = yaml.safe_load((ROOT / "invoke.yaml").read_text())


def settings(over: dict[str, Any] | None = None, **given: str) -> Any:
    return load(variables.settings(FILE, over or {}, frozenset({"run"}), given))


@pytest.mark.parametrize(
    ("text", "value"), [("false", False), ("0", False), ("no", False), ("true", True), ("1", True)]
)
def test_a_switch_is_what_it_says(text: str, value: bool) -> None:
    """Invoke takes every word but 0 for true."""
    assert settings(INVOKE_ROLLOUT_LIVE_METRICS=text).rollout.live_metrics is value


def test_a_value_that_is_none_is_refused_by_its_setting() -> None:
    """With the setting's place."""
    with pytest.raises(UsageError, match=r"rollout\.live_metrics: .*boolean"):
        settings(INVOKE_ROLLOUT_LIVE_METRICS="maybe")


def test_every_setting_has_a_variable() -> None:
    """Those of invoke.yaml, sections and all; a number and a list are read from their text."""

    def names(values: dict[str, Any], above: str) -> set[str]:
        found = set()
        for key, value in values.items():
            name = f"{above}_{key}".upper()
            found |= names(value, name) if isinstance(value, dict) else {name}
        return found

    assert {name for name, _ in variables._paths(Settings)} == names(FILE, "INVOKE")
    made = settings(INVOKE_ROLLOUT_STEPS="5, 100", INVOKE_WAIT_POLL_SECONDS="1.5", INVOKE_REGISTER_TOLERANCE="0.02")
    assert (made.rollout.steps, made.wait.poll_seconds, made.register_.tolerance) == ((5, 100), 1.5, 0.02)


def test_a_misspelled_variable_is_refused() -> None:
    """It would be as if it had not been set; Invoke's own are left to Invoke."""
    with pytest.raises(
        UsageError, match="INVOKE_TRAIN_MODELL is no setting's variable: did you mean INVOKE_TRAIN_MODEL"
    ):
        settings(INVOKE_TRAIN_MODELL="boosted")
    assert settings(INVOKE_RUN_ECHO="1", INVOKE_DEBUG="1", PATH="x") == load(FILE)


def test_the_file_of_f_wins_over_a_variable() -> None:
    """As docs/settings.md says, setting by setting."""
    given = {"INVOKE_TRAIN_MODEL": "boosted", "INVOKE_TRAIN_TARGET": "other"}
    made = settings({"train": {"model": "logistic"}}, **given)
    assert (made.train.model, made.train.target) == (FILE["train"]["model"], "other")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-f", "nosuch.yaml", "workspace.status"], "nosuch.yaml: no such file"),
        (["logs", "--lines", "x"], "an option wants a number"),
    ],
)
def test_a_command_line_that_cannot_be_meant_is_refused(words: list[str], said: str) -> None:
    """A file of another region's settings that is not there would have the task act on this one."""
    done = subprocess.run(
        [sys.executable, "-m", "invoke", *words], cwd=ROOT, env=environment(), capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr
