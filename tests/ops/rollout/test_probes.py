"""What an answer is worth, what a pair adds to the evidence, and probes over a real socket."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loopback import serving

from ops import scoring
from ops.errors import OpsError
from ops.evidence import Counts, Evidence, Times
from ops.rollout.plan import policy
from ops.rollout.probes import CAREFUL_PAIRS, DISAGREE, ERROR, FURTHER, SLOW, Answer, Pair, Prober, judged
from ops.settings import Rollout

GOOD, BAD = Counts(1, 0), Counts(1, 1)
FINE = '{"predictions": ["1"], "probabilities": [0.7]}'


def worth(status: int = 200, text: str = FINE, slot: str = "green") -> Answer:
    return judged(status, {scoring.PIN: slot}, text, "green", 0.01)


def test_a_good_answer_is_kept_with_its_prediction() -> None:
    """No fault, not busy."""
    found = worth()
    assert (found.fault, found.busy, found.predictions) == ("", False, ("1",))


@pytest.mark.parametrize("status", [400, 401, 404, 408, 424, 500, 502, 503])
def test_an_error_is_a_fault_with_its_reason(status: int) -> None:
    """The status and the beginning of what was said."""
    assert worth(status, "out of memory").fault == f"{status}: out of memory"


def test_429_is_load_and_no_fault() -> None:
    """The deployment is busy, not bad."""
    found = worth(429, "slow down")
    assert (found.busy, found.fault) == (True, "")


def test_an_answer_of_another_deployment_is_a_fault() -> None:
    """It says nothing about the one that was asked."""
    assert "answered by blue" in worth(slot="blue").fault


@pytest.mark.parametrize(
    "text",
    [
        "", "null", "[]", "7", "{}", '"text"', '{"predictions": [1]}', '{"predictions": 1, "probabilities": 1}',
        '{"predictions": ["1"], "probabilities": ["high"]}', '{"predictions": ["1", "0"], "probabilities": [0.1, 0.2]}',
        '{"predictions": ["1"], "probabilities": [1.2]}', '{"predictions": ["1"], "probabilities": [NaN]}',
        '{"predictions": [], "probabilities": []}',
    ],
)  # fmt: skip
def test_a_200_of_another_shape_is_a_fault(text: str) -> None:
    """One prediction with one probability between 0 and 1 was agreed."""
    assert worth(text=text).fault


@given(st.text() | st.recursive(st.none() | st.floats() | st.text(), st.lists).map(json.dumps))
def test_no_answer_is_too_odd_to_be_judged(text: str) -> None:
    """Whatever comes back, it is worth something and never raises."""
    assert worth(text=text).fault


def pair(old: str = "", new: str = "", *, busy: str = "", slow: str = "", other: str = "") -> Pair:
    """Return a pair; `busy`, `slow` and `other` (prediction) name the sides that are so."""

    def side(name: str, fault: str) -> Answer:
        return Answer(fault, 2.0 if name in slow else 0.01, ("0" if name in other else "1",), busy=name in busy)

    return Pair(side("old", old), side("new", new))


def test_a_good_pair_counts_once_in_each_metric() -> None:
    """One request of each deployment, none of them bad."""
    assert pair().block(1.0) == dict.fromkeys((ERROR, SLOW, DISAGREE), (GOOD, GOOD))


@pytest.mark.parametrize("busy", ["old", "new", "old new"])
def test_a_busy_pair_counts_nothing(busy: str) -> None:
    """Also when the other side failed: a pair is seen whole or not at all."""
    assert pair(busy=busy).block(1.0) == {}
    assert pair(new="500: x", busy="old").block(1.0) == {}


@pytest.mark.parametrize("old", ["", "500: x"])
def test_a_failure_of_the_new_one_counts_once(old: str) -> None:
    """As an error; it is neither slow nor of another opinion."""
    found = pair(old, "424: y", slow="old new", other="new").block(1.0)
    assert found == {ERROR: (BAD if old else GOOD, BAD)}


@pytest.mark.parametrize(("slow", "new"), [("", GOOD), ("new", BAD)])
def test_a_failure_of_the_old_one_is_slow_too(slow: str, new: Counts) -> None:
    """Whoever asked it waited in vain: the new one is judged by its own time, even if the old one never answers."""
    assert pair("500: x", slow=slow, other="new").block(1.0) == {ERROR: (BAD, GOOD), SLOW: (BAD, new)}


def test_row_22_a_mend_of_one_that_always_fails_is_found_good() -> None:
    """It would wait for ever otherwise, with half of the clients on what is broken."""
    evidence = Evidence.start(policy(Rollout()))
    for _ in range(1000):
        evidence = evidence.after(pair("500: x").block(1.0))
    assert evidence.verdict().answer == "good"


def test_slow_is_over_the_objective() -> None:
    """Each side by its own time."""
    assert pair(slow="new").block(1.0)[SLOW] == (GOOD, BAD)
    assert pair(slow="old").block(1.0)[SLOW] == (BAD, GOOD)
    assert pair(slow="new").block(3.0)[SLOW] == (GOOD, GOOD)


def test_further_answers_of_the_old_one_count_as_its_errors_alone() -> None:
    """Neither their time nor their prediction is compared, and busy ones are left out."""
    answers = (Answer("", 9.0, ("0",)), Answer("500: x", 0.01), Answer("", 0.01, busy=True))
    found = Pair(Answer("", 0.01, ("1",)), Answer("", 0.01, ("1",)), answers).block(1.0)
    assert found == {ERROR: (Counts(3, 1), GOOD), SLOW: (GOOD, GOOD), DISAGREE: (GOOD, GOOD)}


def test_another_prediction_is_the_new_ones_disagreement() -> None:
    """Probabilities may differ."""
    assert pair(other="new").block(1.0)[DISAGREE] == (GOOD, BAD)
    near = Pair(worth(), worth(text=FINE.replace("0.7", "0.6")))
    assert near.block(1.0)[DISAGREE] == (GOOD, GOOD)


def test_only_two_answers_have_times() -> None:
    """Of the old one first; a failure or a busy deployment has none to compare."""
    assert pair(slow="new").times() == Times(0.01, 2.0)
    assert pair(slow="old").times() == Times(2.0, 0.01)
    for unanswered in (pair(old="500: x"), pair(new="500: x"), pair(busy="old"), pair(busy="new")):
        assert unanswered.times() is None


class Endpoint(ThreadingHTTPServer):
    """An endpoint that keeps what it was asked: pin and body; it thinks for `seconds`, then answers or `drops` it."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.drops = False
        self.asked: list[tuple[str, str]] = []
        self.key = "k"
        super().__init__(("127.0.0.1", 0), Handler)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or each answer waits 40 ms for an acknowledgement
    server: Endpoint

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        slot = self.headers.get(scoring.PIN, "")
        self.server.asked.append((slot, body))
        time.sleep(self.server.seconds)
        if self.server.drops:
            self.close_connection = True
            return
        known = self.headers["Authorization"] == f"Bearer {self.server.key}"
        self.send_response(401 if not known else 500 if slot == "green" else 200)
        self.send_header(scoring.PIN, slot)
        self.send_header("Content-Length", str(len(FINE)))
        self.end_headers()
        self.wfile.write(FINE.encode())

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    """A server on a free port, for one test."""
    server = Endpoint()
    with serving(server):
        yield server


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    """A sample request with two columns."""
    file = tmp_path / "sample.json"
    file.write_text(json.dumps({"input_data": {"columns": ["a", "b"], "data": [[1, 2]]}}))
    return file


def test_both_are_asked_the_same_in_random_order(endpoint: Endpoint, sample: Path) -> None:
    """Row 22: the same row, pinned to each, and neither is always the first."""
    address = scoring.Address(f"http://127.0.0.1:{endpoint.server_port}/score", "k")
    prober = Prober(lambda: address, sample, [[1, 2], [3, 4]], seed=1)
    for _ in range(20):
        seen = prober.pair("blue", "green")
        assert (seen.old.fault, seen.new.fault[:3]) == ("", "500")
    pairs = [endpoint.asked[i : i + 2] for i in range(0, len(endpoint.asked), 2)]
    assert all({slot for slot, _ in both} == {"blue", "green"} for both in pairs)
    assert all(both[0][1] == both[1][1] for both in pairs)
    assert {both[0][0] for both in pairs} == {"blue", "green"}


def test_our_own_requests_are_counted_by_deployment(endpoint: Endpoint, sample: Path) -> None:
    """Those of a pair and the further ones, with the failures among them, up to the moment that is asked for."""
    began = time.time()
    prober = Prober(lambda: scoring.Address(f"http://127.0.0.1:{endpoint.server_port}/score", "k"), sample, [[1, 2]])
    prober.pair("blue", "green", 2)
    now = time.time()
    assert prober.sent.until("blue", now) == (3, 0)
    assert prober.sent.until("green", now) == (0, 1)
    assert prober.sent.until("blue", began - 1) == (0, 0)


def test_an_answer_takes_as_long_as_the_deployment_thinks(endpoint: Endpoint, sample: Path) -> None:
    """In seconds, also of one that failed."""
    endpoint.seconds = 0.05
    prober = Prober(lambda: scoring.Address(f"http://127.0.0.1:{endpoint.server_port}/score", "k"), sample, [[1, 2]])
    seen = prober.pair("blue", "green", 1)
    assert all(0.05 <= answer.seconds < 1 for answer in (seen.old, seen.new, *seen.further))


def test_a_key_that_was_made_anew_is_no_fault_of_a_deployment(endpoint: Endpoint, sample: Path) -> None:
    """It is looked up again; when that one is refused too, the run ends and says so."""
    keys = iter(["k", "new", "new", "old"])
    prober = Prober(
        lambda: scoring.Address(f"http://127.0.0.1:{endpoint.server_port}/score", next(keys)), sample, [[1, 2]]
    )
    assert prober.pair("blue", "green").block(1.0) == {ERROR: (GOOD, BAD)}
    endpoint.key = "new"
    assert prober.pair("blue", "green").block(1.0) == {ERROR: (GOOD, BAD)}
    endpoint.key = "another"
    with pytest.raises(OpsError, match="answers 401 to its own key"):
        prober.pair("blue", "green")


def test_the_first_pairs_of_a_step_are_careful(endpoint: Endpoint, sample: Path) -> None:
    """The new one is asked once a pair, the old one often, until so many were judged at this step."""
    prober = Prober(lambda: scoring.Address(f"http://127.0.0.1:{endpoint.server_port}/score", "k"), sample, [[1, 2]])
    pairs = itertools.islice(prober.pairs("blue", "green", 500, 60, judged=CAREFUL_PAIRS - 2), 4)
    assert [len(each.further) for each in pairs] == [FURTHER, FURTHER, 0, 0]
    assert [slot for slot, _ in endpoint.asked].count("green") == 4


def test_row_24_one_that_always_fails_is_bad_after_two_or_three_probes(endpoint: Endpoint, sample: Path) -> None:
    """However good or bad the old one is known to be, with alpha shared as in a rollout (issue 4: at most 3)."""
    prober = Prober(lambda: scoring.Address(f"http://127.0.0.1:{endpoint.server_port}/score", "k"), sample, [[1, 2]])
    chosen = policy(Rollout())
    for history in (Counts(), Counts(10_000, 10), Counts(10_000, 100)):
        evidence, asked = Evidence.start(chosen, {ERROR: history}), 0
        for each in prober.pairs("blue", "green", 500, 60, judged=0):
            evidence, asked = evidence.after(each.block(1.0)), asked + 1
            if evidence.verdict().answer == "bad":
                break
        assert asked in (2, 3)


def test_a_deployment_that_cannot_be_reached_has_failed(endpoint: Endpoint, sample: Path) -> None:
    """No answer is a fault of both, which says nothing against the new one."""
    port = endpoint.server_port
    endpoint.shutdown()
    endpoint.server_close()
    prober = Prober(lambda: scoring.Address(f"http://127.0.0.1:{port}/score", "k"), sample, [[1, 2]])
    assert prober.pair("blue", "green").block(1.0) == {ERROR: (BAD, BAD)}
    assert prober.sent.until("green", time.time()) == (0, 0)


def test_an_answer_that_was_lost_may_have_been_any(endpoint: Endpoint, sample: Path) -> None:
    """The service may have counted the request as good, as bad, or not at all."""
    endpoint.drops = True
    prober = Prober(lambda: scoring.Address(f"http://127.0.0.1:{endpoint.server_port}/score", "k"), sample, [[1, 2]])
    assert prober.pair("blue", "green").new.fault == "no answer: ConnectionError"
    assert prober.sent.until("green", time.time()) == (1, 1)


def test_there_is_at_least_one_pair_in_any_time(endpoint: Endpoint, sample: Path) -> None:
    """And, at ten a second, no burst to make up for time that has passed."""
    prober = Prober(lambda: scoring.Address(f"http://127.0.0.1:{endpoint.server_port}/score", "k"), sample, [[1, 2]])
    assert len(list(prober.pairs("blue", "green", 10, 0))) == 1
    assert 1 <= len(list(prober.pairs("blue", "green", 10, 0.3))) <= 3
