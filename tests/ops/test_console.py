"""What people and scripts see: plain lines off a terminal, and JSON that nothing is mixed into."""

from __future__ import annotations

import json
import re

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


def test_forced_colours_do_not_reach_a_log(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Some runners set FORCE_COLOR; what is written to a file stays plain."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    console.show_pairs("status", {"endpoint": "flights"})
    assert "\033" not in capsys.readouterr().out


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


def test_json_is_all_that_a_script_reads(capsys: pytest.CaptureFixture[str]) -> None:
    """Progress and tables go to standard error, the value that the task returns to standard output."""

    @console.exits
    def deploy(json: bool = False) -> dict[str, str]:
        console.say("blue: up")
        console.show_pairs("checks", {"sample": "ok"})
        return {"slot": "blue"}

    deploy(json=True)
    out, err = capsys.readouterr()
    assert json.loads(out) == {"slot": "blue"}
    assert "blue: up" in err
    assert "sample" in err


def test_a_view_that_shows_its_own_json_is_read_too(capsys: pytest.CaptureFixture[str]) -> None:
    """Also when it then fails, as inv doctor does."""

    @console.exits
    def doctor(json: bool = False) -> None:
        console.show_json([1])
        raise ValueError("broken")

    with pytest.raises(SystemExit) as ended:
        doctor(json=True)
    assert ended.value.code == 1
    assert json.loads(capsys.readouterr().out) == [1]
