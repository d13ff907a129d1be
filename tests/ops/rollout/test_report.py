"""The report: a page that needs nothing else and trusts nobody, and JSON that any program reads."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, NoReturn

import pytest

from ops import traffic
from ops.evidence import Counts
from ops.rollout import plot, report
from ops.rollout.ledger import Ledger
from ops.rollout.plan import policy
from ops.rollout.position import Position
from ops.rollout.probes import DISAGREE, ERROR, SLOW, Answer, Pair
from ops.rollout.record import Record
from ops.settings import Rollout

POLICY = policy(Rollout())
NOW = Position("blue", "green", 0, "green of 2026-11-23T07:32:58.399+00:00")
HOSTILE = "<script>alert(1)</script>&\"'<img src=x onerror=alert(1)>"


def recorded(points: int, bad: int = 0) -> Record:
    """Return the record of a rollout with so many looks at its evidence."""
    record = Record()
    kept = Ledger.start(NOW.identity, POLICY).at_step(10)
    record.begin(NOW, kept)
    record.step(NOW, traffic.Split({"blue": 90, "green": 10}, {}))
    evidence = kept.evidence
    for number in range(points):
        seen = {
            ERROR: (Counts(20), Counts(20, bad)),
            SLOW: (Counts(20), Counts(20)),
            DISAGREE: (Counts(20), Counts(20, 1)),
        }
        evidence = evidence.after(seen)
        record.seen(NOW, Ledger(kept.identity, 10, kept.begun, 0, "running", 0, evidence), evidence.verdict())
        record.points[-1]["seconds"] = float(number)
    record.end(NOW, kept, "complete: green has all the traffic")
    return record


def written(folder: Path, record: Record, log: str = "") -> tuple[str, dict[str, Any]]:
    """Write the report and return its page and its data."""

    def refuse(word: str) -> NoReturn:
        raise ValueError(f"{word} is no JSON")

    about = {"model": "flights:2", "replaces": "flights:1", "seconds": 12.5, "alpha": 0.01, "beta": 0.05, "log": log}
    page = report.write(folder, "flights", NOW, record, about)
    return page.read_text(), json.loads(page.with_suffix(".json").read_text(), parse_constant=refuse)


class Tags(HTMLParser):
    """Collects the elements of a page, and fails on one that is closed out of turn."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("points", [0, 1, 2, 50, 2000])
def test_a_page_is_whole_and_needs_nothing_else(tmp_path: Path, points: int) -> None:
    """Every element is closed; no script, no address, no file of its own."""
    page, _ = written(tmp_path, recorded(points))
    tags = Tags(page)
    assert tags.open == []
    assert not {"script", "link", "img", "iframe"} & {tag for tag, _ in tags.seen}
    assert "http" not in page
    assert len(page) < 300_000


def test_what_others_said_stays_text(tmp_path: Path) -> None:
    """A deployment's answer and a tag are shown, never obeyed."""
    record = recorded(3)
    record.pair(Pair(Answer("", 0.1), Answer(f"500: {HOSTILE}", 0.1)))
    record.outcome = f"rolled back at 10 %: {HOSTILE}"
    page, data = written(tmp_path, record)
    assert HOSTILE in data["outcome"]
    assert "<script" not in page
    assert "<img" not in page
    assert "&lt;script&gt;" in page


def test_the_json_is_json(tmp_path: Path) -> None:
    """No NaN, which few programs read: what is not known is null."""
    _, data = written(tmp_path, recorded(0))
    assert data["milliseconds"] == {"blue": {"p50": None, "p99": None}, "green": {"p50": None, "p99": None}}
    assert data["verdict"] == "complete"


def test_page_and_json_tell_the_same(tmp_path: Path) -> None:
    """The last counts stand in both, and so does what is only shown."""
    page, data = written(tmp_path, recorded(10, bad=1))
    assert data["points"][-1]["metrics"][ERROR]["new"] == [10, 200]
    assert "10 of 200 (5\N{NO-BREAK SPACE}%)" in page
    assert "disagree (shown, not judged)" in page


def test_an_earlier_report_is_kept(tmp_path: Path) -> None:
    """A rollout that was paused and taken up leaves one for each run."""
    written(tmp_path, recorded(2))
    written(tmp_path, recorded(3))
    assert len(list(tmp_path.glob("*.html"))) == len(list(tmp_path.glob("*.json"))) == 2


@pytest.mark.parametrize("bad", [0, 20])
def test_curves_stay_inside_their_frame(bad: int) -> None:
    """Also a test that lost everything, and one that went far over its line."""
    record = recorded(400, bad)
    for figure in plot.figures(record.points, record.steps).split("</figure>")[:-1]:
        svg = ET.fromstring(figure[figure.index("<svg") : figure.index("</svg>") + 6])
        paths = [element for element in svg.iter() if element.tag == "path"]
        assert len(paths) == (1 if "<h3>slower</h3>" in figure else 2)  # of slower only harm is tested
        for path in paths:
            spots = [spot.split(",") for spot in path.attrib["d"].lstrip("M").split(" L")]
            assert all(0 <= float(x) <= plot.WIDTH and float(y) <= plot.HEIGHT for x, y in spots)
            assert path.attrib["clip-path"] == f"url(#{svg[0].attrib['id']})"
            assert len(spots) <= 601
