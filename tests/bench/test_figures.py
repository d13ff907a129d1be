"""Figures, their list and their page; the clients that measure; the simulation of ten regions."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from bench import report, scale, stage
from bench.figures import added, at_least, at_most, put, read
from bench.load import drive
from bench.timing import medians


def test_an_aim_holds_at_its_bound_and_not_beyond() -> None:
    """The three kinds of aim."""
    assert at_most("a", 2.0, 1.0, 2.0).holds
    assert not at_most("a", 2.1, 1.0, 2.0).holds
    assert at_least("a", 9.0, 10.0, 0.9).holds
    assert not at_least("a", 8.9, 10.0, 0.9).holds
    assert added("a", 1.25, 1.0, 0.25, "ms").holds
    assert not added("a", 1.26, 1.0, 0.25, "ms").holds


def test_a_figure_takes_the_place_of_the_one_of_its_name(tmp_path: Path) -> None:
    """And leaves the others where they are; the file has the fields that readers know."""
    file = tmp_path / "list.json"
    put(file, [at_most("a", 1, 1, 1), at_most("b", 1, 1, 1)])
    put(file, [at_most("b", 3, 1, 1)])
    assert [(figure.name, figure.value) for figure in read(file)] == [("a", 1), ("b", 3)]
    assert set(json.loads(file.read_text())[0]) == {"name", "value", "reference", "ratio", "aim", "holds"}


def test_the_page_shows_every_figure_of_the_list() -> None:
    """Each stands in one section, and a missed aim says no."""
    figures = read(stage.ROOT / "docs" / "benchmarks.json")
    missed = at_most("run(), of a test", 3, 1, 2)
    text = report.page([*figures, missed], ["Not measured: nginx: gone."], {"rival_servers": 60.0, "scale": 30.0})
    for figure in figures:
        assert text.count(f"| {figure.name} |") == 1
    assert "| run(), of a test | 3.00 | 1.00 | 3.00 | at most 2 times the reference | **no** |" in text
    assert "\nNot measured: nginx: gone.\n" in text
    assert "It took 1.5 minutes, in seconds: rival servers 60, scale 30." in text


def test_a_part_that_is_run_alone_leaves_what_the_page_says_of_the_whole_run() -> None:
    """Its own line takes the place of its last one."""
    one = at_most("run(), of a test", 1, 1, 2)
    whole = report.page([one], ["Other servers: mlserver 1."], {"demo": 80.0, "scale": 30.0})
    first = report.page([one, at_most("run(), another", 3, 1, 2)], [], {"demo": 90.0}, whole)
    text = report.page([one], [], {"demo": 70.0}, report.page([one], [], {"scale": 40.0}, first))
    assert "It took 1.8 minutes, in seconds: demo 80, scale 30." in text
    assert "\nOther servers: mlserver 1.\n" in text
    assert "1 of 2 aims hold." in first
    assert "1 of 1 aims hold." in text
    alone = [line.split(" s, ")[0] for line in text.splitlines() if line.startswith("Alone")]
    assert alone == ["Alone, later: scale 40", "Alone, later: demo 70"]


def test_the_median_leaves_one_slow_call_out() -> None:
    """By a clock that the test turns."""
    # Read twice a call; b begins the second round.
    ticks = iter([0, 1, 0, 2, 0, 100, 0, 1, 0, 1, 0, 2])
    assert medians({"a": int, "b": int}, 3, 1, lambda: float(next(ticks))) == {"a": 1.0, "b": 2.0}


@pytest.fixture
def port() -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        turns = itertools.count(1)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            turn = next(self.turns)
            self.send_response(200 if turn % 3 else 503)
            self.send_header("Content-Length", str(len(body)))
            if turn % 5 == 0:
                self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Stay quiet."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """Stay quiet when a client leaves in the middle, as these do at the end."""

    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


def test_the_clients_count_answers_and_failures_apart(port: int) -> None:
    """Over connections that are kept and that are closed; a body larger than one read."""
    load = drive(("127.0.0.1", port), stage.post("/score", b"x" * 400_000), 3, 0.3)
    assert load.seconds
    assert load.failed
    # A third of the answers, but for those that were on their way at the end.
    assert abs(len(load.seconds) - 2 * load.failed) <= 9


def test_waves_stop_a_failing_release_in_the_first_region() -> None:
    """And all at once reach every region before the first minute's counts are there."""
    everywhere = [1.0] * scale.REGIONS
    chance = np.random.default_rng(1)
    assert scale.rollout(everywhere, "waves", chance) == (True, 1, scale.GREEN, 1)
    assert scale.rollout(everywhere, "alone", chance) == (True, 1, scale.REGIONS * scale.GREEN, scale.REGIONS)


def test_a_good_release_reaches_every_region() -> None:
    """Wave by wave, each after its bake time."""
    stopped, minutes, _, reached = scale.rollout([scale.BLUE] * scale.REGIONS, "waves", np.random.default_rng(2))
    assert (stopped, reached) == (False, scale.REGIONS)
    assert minutes >= scale.BAKE * len(scale.WAVES)
