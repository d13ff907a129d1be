"""What people see: plain lines off a terminal, without a control code."""

from __future__ import annotations

import re
from contextvars import copy_context

import pytest

from ops import console


def test_off_a_terminal_a_line_has_its_time_and_no_control_code(capsys: pytest.CaptureFixture[str]) -> None:
    """Logs are read by people and searched by programs."""
    console.say("blue: up")
    console.heading("1. Train")
    console.show_rows("slots", [{"slot": "blue", "traffic": 100}])
    said = capsys.readouterr().out
    assert re.match(r"\d\d:\d\d:\d\d blue: up\n", said)
    assert "\033" not in said


def test_brackets_are_shown_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    """They are no markup, and nothing is put before them."""
    console.show_pairs("[status]", {"flight": "[delayed]", "row": {"[x]": "[/y]"}})
    said = capsys.readouterr().out
    assert "\\" not in said
    assert all(word in said for word in ("[status]", "[delayed]", "[x] [/y]"))


def test_forced_colours_do_not_reach_a_log(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Some runners set FORCE_COLOR; what is written to a file stays plain."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    console.show_pairs("status", {"endpoint": "flights"})
    assert "\033" not in capsys.readouterr().out


def test_a_hint_names_the_file_that_the_command_was_given(capsys: pytest.CaptureFixture[str]) -> None:
    """What is pasted acts on the same endpoint; words that are no command stay as they are."""
    context = copy_context()
    context.run(console.hint_with, "inv -f 'my eu.yaml'")
    context.run(console.say, "inv deploy makes one; see invoke.yaml, inv, or inv -f x status")
    assert capsys.readouterr().out.endswith(
        "inv -f 'my eu.yaml' deploy makes one; see invoke.yaml, inv, or inv -f x status\n"
    )
    console.say("inv deploy makes one")
    assert capsys.readouterr().out.endswith(" inv deploy makes one\n")


def test_a_runner_is_nobody_who_watches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some give their steps a terminal: CI set means lines all the same, and so does a dumb terminal."""
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("CI", raising=False)
    assert console.watched()
    monkeypatch.setenv("CI", "true")
    assert not console.watched()
    monkeypatch.delenv("CI")
    monkeypatch.setenv("TERM", "dumb")
    assert not console.watched()


@pytest.mark.parametrize(("columns", "lines"), [(160, 6), (80, 16), (40, 16)])
def test_a_table_that_would_be_too_narrow_to_read_is_shown_row_by_row(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: int, lines: int
) -> None:
    """No value is cut or lost, and no word of it is folded letter by letter."""
    from rich.console import Console

    monkeypatch.setattr(console, "screen", lambda: Console(width=columns, force_terminal=False, color_system=None))
    row = {
        "model": "flight-delays:12", "registered": "2 min ago", "slot": "green", "auc": "0.6975",
        "learned from": "244,737 rows to 2013-09-30", "job": "calm_plum_n4pq8x", "commit": "79694e4b+",
    }  # fmt: skip
    console.show_rows("models", [row, row])
    said = capsys.readouterr().out
    assert len(said.rstrip().splitlines()) == lines
    assert all(said.count(value) == 2 for value in row.values())


@pytest.mark.parametrize(
    ("typed", "yes"), [("y", True), ("YES ", True), ("", False), ("sure", False), (EOFError, False)]
)
def test_only_yes_is_yes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, typed: str | type[EOFError], yes: bool
) -> None:
    """Ctrl-D at a question is a no; the next line does not stand behind the question."""

    def answer(question: str) -> str:
        print(question, end="")
        if isinstance(typed, str):
            return typed
        raise typed

    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", answer)
    assert console.ask("Train?") is yes
    assert capsys.readouterr().out == "Train? [y/N] " + ("" if isinstance(typed, str) else "\n")
