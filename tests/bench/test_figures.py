"""Figures, their list and their page; the clients that measure; the simulation of ten regions."""

from __future__ import annotations

import itertools
import json
import operator
import subprocess
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from bench import report
from bench.figures import added, at_least, at_most, put, read
from bench.parts import rival_servers, scale, training
from bench.tools import contest, peak, stage
from bench.tools.load import drive
from bench.tools.processes import ServerFailed
from bench.tools.timing import medians, middle, rotated
from loopback import serving


def test_an_aim_holds_at_its_bound_and_not_beyond() -> None:
    """The three kinds of aim."""
    assert at_most("a", 2.0, 1.0, 2.0).holds
    assert not at_most("a", 2.1, 1.0, 2.0).holds
    assert at_least("a", 9.0, 10.0, 0.9).holds
    assert not at_least("a", 8.9, 10.0, 0.9).holds
    assert added("a", 1.25, 1.0, 0.25, "ms").holds
    assert not added("a", 1.26, 1.0, 0.25, "ms").holds


def test_an_aim_at_the_reference_itself_says_so() -> None:
    """Not "1 times the reference"."""
    assert at_most("a", 1.0, 1.0, 1.0).aim == "at most the reference"
    assert at_least("a", 1.0, 1.0, 1.0).aim == "at least the reference"
    assert at_least("a", 1.0, 1.0, 4.5).aim == "at least 4.5 times the reference"


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


def test_each_begins_a_round_in_turn() -> None:
    """And the others follow in their order."""
    assert [rotated("abc", turn) for turn in range(4)] == [list("abc"), list("bca"), list("cab"), list("abc")]


def test_the_middle_round_is_one_that_was() -> None:
    """The machine slows down in the middle: a median of each would pair a slow round with a fast one."""
    ours, theirs = [10.0, 20.0, 33.0], [10.0, 10.0, 30.0]
    assert middle(ours, theirs) == (33.0, 30.0)
    assert middle(ours, theirs, operator.sub) == (33.0, 30.0)
    assert middle([4.0, 1.0], [1.0, 1.0]) == (1.0, 1.0)


def test_a_process_knows_its_own_peak() -> None:
    """Its parent's, ten times as large, is not carried over."""
    held = bytearray(b"x" * (300 << 20))
    nothing = str(stage.ROOT / "src" / "local" / "errors.py")
    seconds, megabytes = training.taken({"nothing": [nothing]})["nothing"]
    assert peak.peak() > len(held) >> 20
    assert 1 < megabytes < 60
    assert 0 < seconds < 10


def test_a_script_that_fails_is_not_measured(tmp_path: Path) -> None:
    """Its exit code comes through."""
    script = tmp_path / "fails.py"
    script.write_text("import sys\nsys.exit(3)\n")
    with pytest.raises(RuntimeError, match="fails failed"):
        training.taken({"fails": [str(script)]})


def test_a_model_that_is_not_written_says_why(tmp_path: Path) -> None:
    """By the last line of what its program said."""
    python = tmp_path / "mlflow" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\necho 'ImportError: no module' >&2\nexit 1\n")
    python.chmod(0o755)
    with pytest.raises(subprocess.CalledProcessError) as raised:
        rival_servers.mlflow(python.parents[1], tmp_path, tmp_path, 1)
    assert raised.value.stderr == "ImportError: no module\n"


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
    with serving(server):
        yield server.server_address[1]


def test_the_clients_count_answers_and_failures_apart(port: int) -> None:
    """Over connections that are kept and that are closed; a body larger than one read."""
    load = drive(("127.0.0.1", port), stage.post("/score", b"x" * 400_000), 3, 0.3)
    assert load.seconds
    assert load.failed
    # A third of the answers, but for those that were on their way at the end.
    assert abs(len(load.seconds) - 2 * load.failed) <= 9


def test_what_fails_is_not_counted_as_speed(port: int) -> None:
    """The server gives a 503 to every third request."""
    asked = {"it": (("127.0.0.1", port), stage.post("/score", b"x"))}
    with pytest.raises(ServerFailed, match="requests of 2 clients to it failed"):
        contest.driven(asked, 2, 0.2, 0)


def test_waves_stop_a_failing_release_in_the_first_region() -> None:
    """And all at once reach every region before the first minute's counts are there."""
    everywhere = [1.0] * scale.REGIONS
    chance = np.random.default_rng(1)
    assert scale.rollout(everywhere, "waves", chance) == (True, 1, scale.NEW_REQUESTS, 1)
    assert scale.rollout(everywhere, "alone", chance) == (True, 1, scale.REGIONS * scale.NEW_REQUESTS, scale.REGIONS)


def test_a_good_release_reaches_every_region() -> None:
    """Wave by wave, each after its bake time."""
    stopped, minutes, _, reached = scale.rollout([scale.OLD_RATE] * scale.REGIONS, "waves", np.random.default_rng(2))
    assert (stopped, reached) == (False, scale.REGIONS)
    assert minutes >= scale.BAKE * len(scale.WAVES)
