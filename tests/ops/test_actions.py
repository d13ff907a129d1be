"""What a task writes for GitHub Actions, read as the runner reads it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops import actions, boundary
from ops.errors import OpsError, Paused, Refused, RolledBack, TestFailed, UsageError


def read_outputs(text: str) -> dict[str, str]:
    """Return the outputs as the runner understands the file: NAME=VALUE, or NAME<<FENCE, lines, FENCE."""
    found = {}
    lines = iter(text.split("\n")[:-1])
    for line in lines:
        head = re.match(r"([^=<]+)(=|<<)(.*)", line, re.DOTALL)
        assert head, line
        if head[2] == "=":
            found[head[1]] = head[3]
            continue
        value = []
        for inner in lines:
            if inner == head[3]:
                break
            value.append(inner)
        found[head[1]] = "\n".join(value)
    return found


@pytest.fixture
def step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files of a step."""
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "output"))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary"))
    return tmp_path


@given(value=st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_a_value_sets_its_own_output_and_no_other(value: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Whatever line breaks, equals signs and fences it holds."""
    file = tmp_path_factory.mktemp("step") / "output"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GITHUB_OUTPUT", str(file))
        actions.outputs({"first": value, "second": 2})
    with file.open(newline="", encoding="utf-8") as lines:
        assert read_outputs(lines.read()) == {"first": value, "second": "2"}


def test_a_summary_is_a_table_that_no_value_can_break(step: Path) -> None:
    """Pipes, line breaks and tags of a value stay in its cell."""
    actions.summary("Result", {"a|b": "<script>x</script>\nnext", "share": 0.123456789, "none": None})
    assert (step / "summary").read_text() == (
        "### Result\n\n| | |\n|---|---|\n"
        "| a\\|b | &lt;script>x&lt;/script> next |\n| share | 0.123457 |\n| none | - |\n\n"
    )


def test_rows_are_a_table_with_a_note(step: Path) -> None:
    """A column a key, a line a row, the note as a paragraph of its own."""
    actions.summary_rows("Metrics", [{"metric": "auc", "dev": 0.5}], "On the same rows.")
    assert (step / "summary").read_text() == (
        "### Metrics\n\n| metric | dev |\n| ---|--- |\n| auc | 0.5 |\n\nOn the same rows.\n\n"
    )


def test_a_failure_is_annotated_in_one_line(step: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Line breaks and percent signs are escaped, as are the separators of a title."""
    actions.error("a: b, c", "100 %\r\nof it")
    assert capfd.readouterr() == ("", "::error title=a%3A b%2C c::100 %25%0D%0Aof it\n")


def test_a_warning_and_a_mask_go_to_standard_error(step: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """So that what a script takes from a task's output stays clean; no secret gives no command."""
    actions.warning("forced", "trained without a dev success")
    actions.mask("a-key")
    actions.mask("")
    assert capfd.readouterr() == ("", "::warning title=forced::trained without a dev success\n::add-mask::a-key\n")


def test_elsewhere_nothing_is_written(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """At a terminal there are neither files nor commands."""
    for name in ("GITHUB_ACTIONS", "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)
    actions.outputs({"a": 1})
    actions.summary("a", {"b": 1})
    actions.error("a", "b")
    actions.mask("a-key")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("fault", "result"),
    [
        (TestFailed("x"), "test-failed"),
        (RolledBack("x"), "rolled-back"),
        (UsageError("x"), "usage-error"),
        (Refused("x"), "refused"),
        (Paused("x"), "paused"),
        (OpsError("x"), "error"),
        (ValueError("x"), "error"),
        (KeyboardInterrupt(), "interrupted"),
    ],
)
def test_a_task_that_fails_says_how_in_one_word(
    step: Path, fault: BaseException, result: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """As an output for the steps after it, and as an annotation with the message."""

    @boundary.exits
    def task() -> None:
        raise fault

    with pytest.raises(SystemExit) as ended:
        task()
    assert ended.value.code == boundary.explain(fault)[-1] != 0
    assert read_outputs((step / "output").read_text()) == {"result": result}
    assert f"::error title={result}::" in capfd.readouterr().err


def test_a_task_that_ends_well_says_done(step: Path) -> None:
    """So that a later step can tell it from one that never ran."""
    assert boundary.exits(lambda: 7)() == 7
    assert read_outputs((step / "output").read_text()) == {"result": "done"}
