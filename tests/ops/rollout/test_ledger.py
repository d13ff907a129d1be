"""What a rollout remembers in the endpoint's tags, and what it makes of tags that say something else."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ops import lineage
from ops.evidence import Counts, Policy
from ops.rollout import ledger
from ops.rollout.ledger import DONE, PAUSED, ROLLED_BACK, RUNNING, Ledger
from ops.rollout.plan import policy
from ops.rollout.probes import ERROR, SLOW
from ops.settings import Rollout

GREEN = "green of 2026-11-23T07:32:58.399+00:00"
POLICY = policy(Rollout())
MOST_CHARACTERS = 256


def started(bad: int = 0, n: int = 200, under: Policy = POLICY) -> Ledger:
    """Return a ledger with evidence, at 10 %."""
    kept = Ledger.start(GREEN, under).at_step(10)
    seen = {metric: (Counts(n, 0), Counts(n, bad)) for metric in (ERROR, SLOW)}
    return replace(kept, evidence=kept.evidence.after(seen))


COUNTS = st.integers(1, 10**7).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))).map(lambda c: Counts(*c))
BLOCKS = st.lists(
    st.fixed_dictionaries({ERROR: st.tuples(COUNTS, COUNTS), SLOW: st.tuples(COUNTS, COUNTS)}), max_size=5
)


@settings(deadline=None)
@given(BLOCKS, st.sampled_from([10, 25, 50, 100]))
def test_it_comes_back_from_the_tags_as_it_went(blocks: list[dict[str, tuple[Counts, Counts]]], step: int) -> None:
    """Step, begin and counts are the same; evidence is rounded down, so that a restart never adds any."""
    kept = Ledger.start(GREEN, POLICY).at_step(step)
    for block in blocks:
        kept = replace(kept, evidence=kept.evidence.after(block))
    tags = kept.tags()
    assert all(len(value) <= MOST_CHARACTERS for value in tags.values())
    found = Ledger.read(tags, GREEN, POLICY)
    assert (found.identity, found.step, found.begun, found.status) == (GREEN, step, kept.begun, RUNNING)
    assert (found.requests, found.requests_at_step()) == (kept.requests, kept.requests_at_step())
    for before, after in zip(kept.evidence.tracks, found.evidence.tracks, strict=True):
        assert (after.old, after.new) == (before.old, before.new)
        assert after.harm.log_e <= before.harm.log_e + 1e-9
    assert Ledger.read(found.tags(), GREEN, POLICY).evidence == found.evidence


def test_another_deployment_starts_anew() -> None:
    """Row 25: the mended version in the same slot is not judged by what the bad one did."""
    found = Ledger.read(started().tags(), "green of 2026-11-24T00:00:00.000+00:00", POLICY)
    assert (found.step, found.requests) == (0, 0)


def test_evidence_of_another_policy_counts_for_nothing() -> None:
    """Bets against another null are not evidence against this one."""
    stricter = policy(Rollout(tolerance=0.0))
    assert Ledger.read(started().tags(), GREEN, stricter).requests == 0


@pytest.mark.parametrize("status", [DONE, ROLLED_BACK])
def test_what_has_ended_is_not_taken_up_again(status: str) -> None:
    """A rollout after the end is a new one."""
    assert Ledger.read(replace(started(), status=status).tags(), GREEN, POLICY).requests == 0


@pytest.mark.parametrize("status", [RUNNING, PAUSED])
def test_what_was_killed_or_paused_goes_on_with_its_evidence(status: str) -> None:
    """At the same step, with every request that was judged."""
    found = Ledger.read(replace(started(), status=status).tags(), GREEN, POLICY)
    assert (found.step, found.requests) == (10, 200)


def test_a_step_goes_on_with_the_time_that_it_was_watched() -> None:
    """What it had is kept; the time in which nobody looked is not added; a pause gives it all its time again."""
    kept = replace(started(), seconds_before=40.0)
    again = Ledger.read(kept.tags(), GREEN, POLICY)
    assert 40 <= again.seconds_at_step() < 60
    assert again.at_step(10).seconds_at_step() >= 40
    assert again.at_step(25).seconds_at_step() < 20
    assert Ledger.read(replace(kept, status=PAUSED).tags(), GREEN, POLICY).seconds_at_step() < 20


def test_a_new_step_counts_its_own_requests() -> None:
    """200 were judged before it."""
    kept = started().at_step(25)
    assert (kept.requests, kept.requests_at_step()) == (200, 0)


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda kids: st.lists(kids, max_size=8),
)


@settings(deadline=None)
@given(ODD | st.lists(ODD, min_size=7, max_size=7))
def test_tags_that_make_no_sense_start_anew(value: object) -> None:
    """Whatever a person or another program has put there."""
    tags = {**started().tags(), lineage.ROLLOUT: json.dumps(value)}
    assert Ledger.read(tags, GREEN, POLICY).requests == 0
    assert not ledger.ended(tags, GREEN)


@pytest.mark.parametrize("text", ["", "{", "[]", '"x"', "7", "[1,2]", "null", "[" * 256])
def test_tags_that_are_no_json_start_anew(text: str) -> None:
    """The same for what cannot be parsed, in either kind of tag."""
    for key in (lineage.ROLLOUT, lineage.EVIDENCE + ERROR):
        tags = {**started().tags(), key: text}
        assert Ledger.read(tags, GREEN, POLICY).requests == 0


def test_a_version_of_the_evidence_that_is_not_known_starts_anew() -> None:
    """The first number of each evidence tag is its version."""
    tags = started().tags()
    tags[lineage.EVIDENCE + ERROR] = tags[lineage.EVIDENCE + ERROR].replace("[1,", "[99,", 1)
    assert Ledger.read(tags, GREEN, POLICY).requests == 0


def test_only_the_end_of_this_deployment_counts_as_its_end() -> None:
    """Another deployment's end does not, nor does a rollback."""
    done = replace(started(), status=DONE).tags()
    assert ledger.ended(done, GREEN)
    assert not ledger.ended(done, "blue of 2026")
    assert not ledger.ended(replace(started(), status=ROLLED_BACK).tags(), GREEN)
    assert not ledger.ended({}, GREEN)


@pytest.mark.parametrize(("status", "told"), [(RUNNING, True), (PAUSED, True), (DONE, False), (ROLLED_BACK, False)])
def test_only_a_rollout_that_has_not_ended_is_under_way(status: str, told: bool) -> None:
    """And only that of this very deployment: one that was put in its place has none yet."""
    kept = replace(started(), status=status)
    there = ledger.under_way(kept.tags(), GREEN)
    assert there == ({"slot": "green", "step": 10, "status": status, "begun": kept.begun} if told else None)
    assert ledger.under_way(kept.tags(), GREEN.replace("2026", "2027")) is None
    assert ledger.under_way({}, GREEN) is None
