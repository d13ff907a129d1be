"""Evidence by metric and the verdict: good, bad, or not yet known (row 22)."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ops.evidence.counts import Counts
from ops.evidence.judgement import MOST_WAITING, Evidence, Metric, Policy
from ops.evidence.nulls import Harm, Safety

ONE = Counts(9, 0), Counts(1, 1)
GOOD = Counts(9_000, 9), Counts(1_000, 1)
NONE = Counts(0, 0)
THREE = Policy((Metric("error"), Metric("slow", Harm(0.01, 1.25), Safety(0.02, 1.25)), Metric("disagree")))

sizes = st.sampled_from([0, 1, 9, 90, 900])
counts = sizes.flatmap(lambda n: st.builds(Counts, st.just(n), st.integers(0, n)))
blocks = st.lists(st.tuples(counts, counts), max_size=8)


def after(evidence: Evidence, times: int, **seen: tuple[Counts, Counts]) -> Evidence:
    for _ in range(times):
        evidence = evidence.after(seen)
    return evidence


def test_nothing_seen_is_not_yet_known() -> None:
    """row_22: a rollout with no traffic is neither good nor bad; the old one's past alone is no evidence."""
    for past in ({}, {"error": Counts(10**6, 10**5)}):
        verdict = Evidence.start(Policy(), past).verdict()
        assert verdict.answer == "unknown"
        assert verdict.findings[0].harm == pytest.approx(0)
        assert verdict.findings[0].safety == pytest.approx(0)


@pytest.mark.parametrize("past", [Counts(2000, 2), Counts(2000, 20), NONE])
def test_a_new_one_that_always_fails_is_bad_after_two_requests(past: Counts) -> None:
    """row_22, row_24: two failures in a row, beside 18 good answers of the old one, are enough at alpha 1 %."""
    evidence = Evidence.start(Policy(), {"error": past})
    assert after(evidence, 1, error=ONE).verdict().answer == "unknown"
    assert after(evidence, 2, error=ONE).verdict().answer == "bad"


def test_an_equal_one_becomes_good_and_stays_it() -> None:
    """row_22: as many failures in a thousand as the old one has: good soon, and never bad."""
    evidence = Evidence.start(Policy(), {"error": Counts(2000, 2)})
    answers = []
    for _ in range(50):
        evidence = evidence.after({"error": GOOD})
        answers.append(evidence.verdict().answer)
    assert set(answers) == {"good"}


def test_harm_once_shown_stays_shown() -> None:
    """row_24: one that recovers after it was shown bad is bad: the promise of alpha counts every look."""
    evidence = after(after(Evidence.start(Policy()), 3, error=ONE), 20, error=GOOD)
    finding = evidence.verdict().findings[0]
    assert finding.harm < math.log(finding.harm_threshold) <= finding.harm_peak
    assert evidence.verdict().answer == "bad"


def test_one_bad_metric_is_bad() -> None:
    """row_22: slow answers alone roll back, whatever errors say, and the verdict names them."""
    evidence = after(Evidence.start(THREE), 20, error=GOOD, slow=(Counts(90, 1), Counts(10, 8)), disagree=GOOD)
    verdict = evidence.verdict()
    assert verdict.answer == "bad"
    [slow] = [finding for finding in verdict.findings if finding.answer == "bad"]
    assert (slow.metric, str(slow.new), str(slow.old)) == ("slow", "160 of 200 (80.00 %)", "20 of 1,800 (1.11 %)")


def test_one_unknown_metric_is_not_yet_good() -> None:
    """row_22: all metrics must have been seen to be safe before the next step."""
    evidence = after(Evidence.start(THREE), 20, error=GOOD, slow=GOOD)
    assert evidence.verdict().answer == "unknown"
    assert after(evidence, 20, disagree=GOOD).verdict().answer == "good"


def test_a_metric_that_is_not_judged_is_counted() -> None:
    """A new one with a right to differ: disagreement is counted, takes no part of alpha, and decides nothing."""
    policy = Policy((Metric("error"), Metric("disagree", judged=False)))
    evidence = after(Evidence.start(policy), 20, error=GOOD, disagree=ONE)
    assert evidence.verdict().answer == "good"
    assert policy.harm_threshold(policy.metrics[0]) == pytest.approx(100)
    assert evidence.tracks[1].new == Counts(20, 20)


def test_a_metric_without_safety_is_not_asked_before_going_on() -> None:
    """It can stop a rollout, and never holds one up."""
    policy = Policy((Metric("error"), Metric("slow", safety=None)))
    assert after(Evidence.start(policy), 20, error=GOOD).verdict().answer == "good"
    assert after(Evidence.start(policy), 20, error=GOOD, slow=ONE).verdict().answer == "bad"
    assert after(Evidence.start(Policy((Metric("slow", safety=None),))), 20, slow=GOOD).verdict().answer == "unknown"


@given(st.lists(st.floats(0.1, 10), min_size=1, max_size=6), st.floats(0.001, 0.2))
def test_alpha_is_split_and_not_multiplied(weights: list[float], alpha: float) -> None:
    """The chances of the metrics to cry wolf add up to alpha."""
    policy = Policy(tuple(Metric(f"m{i}", weight=weight) for i, weight in enumerate(weights)), alpha)
    assert sum(1 / policy.harm_threshold(metric) for metric in policy.metrics) == pytest.approx(alpha)


@settings(deadline=None, max_examples=50)
@given(blocks, blocks)
def test_kept_evidence_goes_on_where_it_was(
    first: list[tuple[Counts, Counts]], then: list[tuple[Counts, Counts]]
) -> None:
    """row_25: from a tag of at most 256 characters, with the same counts, and never with more evidence than before."""
    whole = Evidence.start(THREE, {"error": Counts(3000, 4)})
    for block in first:
        whole = whole.after({"error": block, "slow": block})
    state = whole.state()
    assert all(len(text) <= 256 for text in state.values())
    again = Evidence.restore(THREE, state)
    for kept, known in zip(again.verdict().findings, whole.verdict().findings, strict=True):
        assert (kept.old, kept.new) == (known.old, known.new)
        assert known.harm - 0.0101 <= kept.harm <= known.harm + 1e-9
    assert again.state() == Evidence.restore(THREE, again.state()).state()
    for block in then:
        whole, again = whole.after({"error": block}), again.after({"error": block})
    assert again.verdict().findings[0].harm == pytest.approx(whole.verdict().findings[0].harm, abs=0.6)


def test_what_tags_keep_stays_readable() -> None:
    """row_25: the old one's requests and bad ones stand first, then the new one's, and so do those that wait."""
    kept = "[1,[99,2,10,3],[9,1,0,0],[290,2.5],[10,0,-398,-215,-266,-173,-143,-266,-141],[10,0,-66,-145,-168]]"
    evidence = Evidence.restore(Policy(), {"error": kept})
    track = evidence.tracks[0]
    assert (track.old, track.new, track.waiting) == (Counts(99, 2), Counts(10, 3), (Counts(9, 1), NONE))
    assert (track.known.n, track.known.bad, track.harm.n_new) == (290, 2.5, 10)
    assert evidence.state() == {"error": kept}


@pytest.mark.parametrize("bad", [0, 1, 5 * 10**11])
def test_a_trillion_requests_fit_in_a_tag(bad: int) -> None:
    """row_25: evidence of the longest rollout, and of the worst deployment, is still at most 256 characters."""
    seen = Counts(10**12, 10**12 // 7), Counts(5 * 10**11, bad)
    evidence = after(Evidence.start(Policy()), 2, error=seen).after({"error": (Counts(MOST_WAITING, 77), NONE)})
    assert len(evidence.state()["error"]) <= 256


@pytest.mark.parametrize(
    "text", ["", "{}", "[1]", "[2,[0,0,0,0],[0,0,0,0],[1,0],[0,0],[0,0]]", "[1,[0,5,0,0],[0,0,0,0],[1,0]]"]
)
def test_kept_evidence_that_cannot_be_read_is_refused(text: str) -> None:
    """A tag that somebody wrote by hand, or another version, is an error that names the metric, not a verdict."""
    with pytest.raises(ValueError, match="kept evidence of error"):
        Evidence.restore(Policy(), {"error": text})


def test_a_metric_of_another_kind_is_refused() -> None:
    """Evidence for a safety test is not taken for a metric that has none."""
    state = Evidence.start(Policy()).state()
    with pytest.raises(ValueError, match="other tests"):
        Evidence.restore(Policy((Metric("error", safety=None),)), state)


def test_an_arm_that_comes_alone_waits_for_the_other() -> None:
    """A block needs both arms: requests of one are kept, and count when the other's come."""
    together = Evidence.start(Policy()).after({"error": (Counts(9, 1), Counts(2, 2))})
    apart = Evidence.start(Policy()).after({"error": (Counts(5, 1), NONE)}).after({"error": (Counts(4, 0), NONE)})
    assert apart.verdict().findings[0].harm == pytest.approx(0)
    assert apart.tracks[0].old == Counts(9, 1)
    assert apart.after({"error": (NONE, Counts(2, 2))}).tracks == together.tracks
    assert Evidence.restore(Policy(), apart.state()).tracks[0].waiting == (Counts(9, 1), NONE)


def test_an_arm_that_waits_too_long_is_let_go() -> None:
    """Requests of an hour ago say little beside those of now; the old one's are still its past."""
    evidence = Evidence.start(Policy()).after({"error": (Counts(MOST_WAITING + 1, 7), NONE)})
    assert evidence.tracks[0].waiting == (NONE, NONE)
    assert evidence.tracks[0].known.n == pytest.approx(100 + MOST_WAITING + 1)
    assert evidence.verdict().findings[0].old == Counts(MOST_WAITING + 1, 7)


def test_no_requests_change_nothing() -> None:
    """A minute without requests is no evidence."""
    evidence = Evidence.start(Policy())
    assert evidence.after({"error": (NONE, NONE)}).tracks == evidence.tracks
    assert evidence.after({}).tracks == evidence.tracks


def test_a_metric_that_is_not_there_is_refused() -> None:
    """Counts for a misspelt metric are not lost in silence."""
    with pytest.raises(KeyError, match="eror"):
        Evidence.start(Policy()).after({"eror": GOOD})


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Policy(()),
        lambda: Policy((Metric("a"), Metric("a"))),
        lambda: Policy(alpha=0),
        lambda: Policy(beta=1),
        lambda: Policy((Metric("a", weight=0),)),
    ],
)
def test_policies_that_cannot_be_are_refused(wrong: object) -> None:
    """No metric, one twice, a chance that is none, a metric without a part of alpha."""
    assert callable(wrong)
    with pytest.raises(ValueError, match=r"give|must"):
        wrong()


def test_the_old_rate_is_learned_from_the_old_one() -> None:
    """A new one that fails does not move what is thought of the old one, which would hide the failure."""
    evidence = Evidence.start(Policy(), {"error": Counts(1000, 1)}).after({"error": (Counts(90, 2), Counts(10, 10))})
    assert (evidence.tracks[0].known.n, evidence.tracks[0].known.bad) == (1190, 3.5)
