"""What is said of a rollout: plain lines in a log, tables in a terminal, a record for the report."""

from __future__ import annotations

import doctest
import io
from dataclasses import replace

import pytest
from rich.console import Console

from ops import traffic
from ops.evidence import Counts
from ops.rollout import lines
from ops.rollout.ledger import Ledger
from ops.rollout.lines import Lines
from ops.rollout.plan import policy
from ops.rollout.position import Position
from ops.rollout.probes import DISAGREE, ERROR, SLOW, Answer, Pair
from ops.rollout.record import Record
from ops.rollout.screen import Screen
from ops.settings import Rollout

POLICY = policy(Rollout())
NOW = Position("blue", "green", 0, "green of 2026")
SPLIT = traffic.Split({"blue": 90, "green": 10}, {})


def kept(bad: int = 0) -> Ledger:
    """Return a ledger with 100 pairs judged, and 7 rows predicted otherwise."""
    start = Ledger.start(NOW.identity, POLICY).at_step(10)
    seen = {
        ERROR: (Counts(100), Counts(100, bad)),
        SLOW: (Counts(100), Counts(100)),
        DISAGREE: (Counts(100), Counts(100, 7)),
    }
    return replace(start, evidence=start.evidence.after(seen))


def told(observer: Lines | Record | Screen, bad: int = 0, outcome: str = "complete: x") -> None:
    """Tell an observer of a whole rollout."""
    found = kept(bad)
    observer.begin(NOW, found)
    observer.step(NOW, SPLIT)
    observer.seen(NOW, found, found.evidence.verdict())
    observer.end(NOW, found, outcome)


def test_a_log_gets_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """No control codes; step, evidence, what is only shown, and the outcome are there."""
    told(Lines(), bad=60, outcome="rolled back at 10 %: error")
    said = capsys.readouterr().out
    assert "\x1b" not in said
    assert "\r" not in said
    for words in ("taken up at 10 % with 100 requests judged", "traffic: blue 90 %, green 10 %", "error: green 60/100",
                  "disagree: green 7/100 (shown, not judged)", "rollout rolled back at 10 %"):  # fmt: skip
        assert words in said


def test_a_log_is_not_flooded(capsys: pytest.CaptureFixture[str]) -> None:
    """A line for a step and then none for a while, however often evidence comes."""
    log = Lines()
    found = kept()
    log.step(NOW, SPLIT)
    for _ in range(1000):
        log.seen(NOW, found, found.evidence.verdict())
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_a_terminal_shows_requests_latency_and_both_tests() -> None:
    """In 80 columns, without a fold."""
    record = Record()
    for seconds in (0.010, 0.020):
        record.pair(Pair(Answer("", seconds, ("1",)), Answer("", 2 * seconds, ("1",))))
    screen = Screen(record)
    screen.step(NOW, SPLIT)
    found = kept()
    out = io.StringIO()
    Console(file=out, width=80).print(screen._tables(NOW, found, found.evidence.verdict()))
    shown = out.getvalue()
    for words in (
        "green at 10 %",
        "blue",
        "90 %",
        "20.0 ms",
        "40.0 ms",
        "harm",
        "safety",
        "0 of 100",
        "disagree: 7 of 100",
    ):
        assert words in shown
    assert "…" not in shown


@pytest.mark.parametrize(
    ("outcome", "word"),
    [("complete: green", "complete"), ("rolled back at 10 %: error", "rolled-back"), ("paused at 5 %: y", "paused"),
     ("stopped after 25 %, as asked", "stopped"), ("ended: the lease", "ended")],
)  # fmt: skip
def test_an_outcome_has_one_word_for_scripts(outcome: str, word: str) -> None:
    """It is what the next step of a workflow reads."""
    record = Record()
    told(record, outcome=outcome)
    assert record.word == word


def test_the_record_keeps_what_the_report_needs() -> None:
    """Points with both tests, steps with the point at which they began, the counts that are only shown."""
    record = Record()
    told(record)
    assert record.position == NOW
    assert record.steps == [{"split": "blue 90 %, green 10 %", "share": 10, "point": 0}]
    [point] = record.points
    assert point["metrics"][ERROR]["new"] == [0, 100]
    assert point["shown"] == {DISAGREE: [7, 100]}


def test_only_answers_have_a_latency() -> None:
    """A failure or a busy deployment has none; only the first few faults are kept."""
    record = Record()
    for _ in range(20):
        record.pair(Pair(Answer("", 9.0, busy=True), Answer("500: x", 5.0)))
    assert record.milliseconds("old") == record.milliseconds("new") == {"p50": None, "p99": None}
    assert record.faults == ["500: x"] * 5


def test_examples_in_docstrings_hold() -> None:
    """What the docstrings show is what happens."""
    assert doctest.testmod(lines).failed == 0
