"""Live requests as evidence: whole minutes only, each once, and never our own probes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.evidence import Counts
from ops.rollout.live import MINUTE, ByStatus, Live, counts
from ops.rollout.position import Position
from ops.rollout.probes import ERROR, Sent

NOW = Position("blue", "green", 10, "green of today")
START = 1_700_000_040  # a whole minute


class Service:
    """Counts by minute, as the metrics service would tell them."""

    def __init__(self) -> None:
        self.minutes: dict[float, ByStatus] = {}
        self.asked: list[float] = []

    def __call__(self, start: float, end: float) -> ByStatus:
        assert end - start == MINUTE
        self.asked.append(start)
        return self.minutes.get(start, {})


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        ({("green", 200): 5, ("green", 424): 2, ("green", 500): 1, ("green", 408): 1}, Counts(9, 4)),
        ({("green", 200): 5, ("green", 429): 90, ("green", 401): 9, ("green", 404): 9}, Counts(5, 0)),
        ({("blue", 500): 5, ("", 401): 2}, Counts(0, 0)),
    ],
)
def test_what_counts_as_harm(seen: ByStatus, expected: Counts) -> None:
    """Failures of the deployment do; load and the caller's faults are not counted at all."""
    assert counts(seen, "green") == expected


def test_a_minute_is_read_once_and_only_when_it_is_old_enough() -> None:
    """Never younger than the lag; the minute in which the run began is left out."""
    service = Service()
    live = Live(service, Sent(), lag_seconds=180, since=START - 20)
    assert list(live.blocks(NOW, START + MINUTE + 179)) == []
    assert service.asked == []
    service.minutes[START] = {("blue", 200): 90, ("green", 200): 9, ("green", 424): 1}
    [block] = live.blocks(NOW, START + MINUTE + 180)
    assert block == {ERROR: (Counts(90, 0), Counts(10, 1))}
    assert list(live.blocks(NOW, START + MINUTE + 200)) == []
    assert service.asked == [START]


def test_minutes_that_were_missed_are_made_up_for() -> None:
    """A run that slept reads each of them."""
    service = Service()
    live = Live(service, Sent(), lag_seconds=0, since=START)
    list(live.blocks(NOW, START + 3 * MINUTE + 1))
    assert service.asked == [START, START + MINUTE, START + 2 * MINUTE]


def test_a_minute_that_cannot_be_had_is_left_out() -> None:
    """It is not asked for again and again."""

    def broken(start: float, end: float) -> ByStatus:
        raise OSError(f"{start} to {end}")

    live = Live(broken, Sent(), lag_seconds=0, since=START)
    with pytest.raises(OSError, match=str(START)):
        list(live.blocks(NOW, START + MINUTE))
    assert list(live.blocks(NOW, START + MINUTE + 1)) == []


LEAD = 30  # a run begins amid a minute, and probes from then on
ANSWERS = st.lists(
    st.tuples(st.integers(-LEAD, 3 * MINUTE - 1), st.sampled_from(["blue", "green"]), st.booleans()), max_size=60
)


@given(ANSWERS, st.floats(-4, 4))
def test_our_own_probes_are_never_evidence_twice(answers: list[tuple[int, str, bool]], skew: float) -> None:
    """With nothing but probes there, and the service's clock some seconds off, nothing is left to count."""
    service, sent = Service(), Sent()
    live = Live(service, sent, lag_seconds=0, since=START - LEAD)
    for at, slot, bad in answers:
        sent.answers.append((START + at, slot, bad))
        minute = (START + at + skew) // MINUTE * MINUTE
        told = dict(service.minutes.get(minute, {}))
        key = (slot, 424 if bad else 200)
        service.minutes[minute] = {**told, key: told.get(key, 0) + 1}
    assert list(live.blocks(NOW, START + 4 * MINUTE)) == []


@pytest.mark.parametrize("status", [200, 504, 429])
def test_a_probe_whose_answer_was_lost_is_not_evidence_twice(status: int) -> None:
    """However the service counts it: the pair that lost it has judged it."""
    service, sent = Service(), Sent()
    live = Live(service, sent, lag_seconds=0, since=START - LEAD)
    sent.answers.append((START + 10, "green", None))
    service.minutes[START] = {("green", status): 1}
    assert list(live.blocks(NOW, START + MINUTE)) == []


@given(ANSWERS)
def test_what_others_sent_is_all_counted_in_the_end(answers: list[tuple[int, str, bool]]) -> None:
    """The probes taken off, every live request is given once; but for as many as probes of a clock's difference."""
    service, sent = Service(), Sent()
    live = Live(service, sent, lag_seconds=0, since=START - LEAD)
    for at, slot, bad in answers:
        sent.answers.append((START + at, slot, bad))
        minute = (START + at) // MINUTE * MINUTE
        told = dict(service.minutes.get(minute, {}))
        for key, number in (((slot, 424 if bad else 200), 1), (("green", 200), 3), (("green", 500), 2)):
            told[key] = told.get(key, 0) + number
        service.minutes[minute] = told
    blocks = list(live.blocks(NOW, START + 4 * MINUTE))
    read = sum(at >= 0 for at, _, _ in answers)
    near = {bad: sum(-5 <= at < 0 for at, slot, worse in answers if slot == "green" and worse == bad) for bad in (0, 1)}
    bad = sum(block[ERROR][1].bad for block in blocks)
    good = sum(block[ERROR][1].n for block in blocks) - bad
    assert max(3 * read - near[0], 0) <= good <= 3 * read
    assert max(2 * read - near[1], 0) <= bad <= 2 * read
    assert sum(block[ERROR][0].n for block in blocks) == 0


def test_probes_before_the_first_whole_minute_take_nothing_off() -> None:
    """They are counted in a minute that is not read."""
    service, sent = Service(), Sent()
    live = Live(service, sent, lag_seconds=0, since=START - 50)
    sent.answers += [(START - 50 + second, slot, False) for second in range(40) for slot in ("blue", "green")]
    service.minutes[START] = {("blue", 200): 89, ("blue", 500): 1, ("green", 200): 9, ("green", 500): 1}
    assert list(live.blocks(NOW, START + MINUTE)) == [{ERROR: (Counts(90, 1), Counts(10, 1))}]
