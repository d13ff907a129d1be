"""What a rollout decides, and what is left for it to do: the rules that need no workspace."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.evidence import Counts, Evidence, Verdict
from ops.rollout import ledger, machine
from ops.rollout.ledger import Ledger
from ops.rollout.machine import Plan, decide
from ops.rollout.policy import policy
from ops.rollout.position import Position
from ops.rollout.probes import ERROR, SLOW

POLICY = policy(tolerance=0.001, margin=0.01, alpha=0.01, beta=0.05, judge_disagreement=False)
PLAN = Plan(
    endpoint="flights",
    steps=(10, 25, 50, 100),
    policy=POLICY,
    bake_seconds=30,
    min_requests=100,
    step_seconds=600,
    on_fail="rollback",
    on_deadline="pause",
    checkpoint_seconds=60,
    lease_seconds=900,
    deadline_seconds=60,
)
NOW = Position("blue", "green", 10, "green of 2026")
ANSWERS = st.sampled_from(["good", "bad", "unknown"])


@given(
    ANSWERS, st.floats(0, 10_000), st.integers(0, 10_000), st.floats(0, 1000), st.integers(1, 1000), st.floats(1, 5000)
)
def test_row_22_what_is_decided(
    answer: str, seconds: float, requests: int, bake: float, least: int, most: float
) -> None:
    """Bad at once; on only when good for long enough, with enough requests; late only when there is no more time."""
    plan = replace(PLAN, bake_seconds=bake, min_requests=least, step_seconds=most)
    decision = decide(Verdict(answer, ()), seconds, requests, plan)  # type: ignore[arg-type]
    assert (decision == "bad") == (answer == "bad")
    assert (decision == "next") == (answer == "good" and seconds >= bake and requests >= least)
    if decision in ("late", "wait"):
        assert (decision == "late") == (seconds > most)


@given(st.floats(0, 1000), st.integers(0, 1000), st.floats(0, 1000), st.integers(0, 1000))
def test_more_of_a_good_thing_never_holds_it_back(seconds: float, requests: int, more: float, many: int) -> None:
    """What may go on may go on later, too."""
    good = Verdict("good", ())
    if decide(good, seconds, requests, PLAN) == "next":
        assert decide(good, seconds + more, requests + many, PLAN) == "next"


def done(identity: str = NOW.identity) -> dict[str, str]:
    return replace(Ledger.start(identity, POLICY).at_step(100), status=ledger.DONE).tags()


def test_nothing_is_left_after_the_end() -> None:
    """The ledger says done, and all the traffic is there."""
    assert machine.left_to_do(replace(NOW, share=100), done(), PLAN) == []


def test_an_end_that_was_undone_by_hand_is_no_end() -> None:
    """After a rollback by hand every step is left again."""
    assert machine.left_to_do(replace(NOW, share=0), done(), PLAN) == [10, 25, 50, 100]


def test_all_the_traffic_without_a_verdict_is_judged() -> None:
    """inv shift --green 100 is no rollout: nobody has looked at the evidence yet."""
    assert machine.left_to_do(replace(NOW, share=100), {}, PLAN) == [100]


def test_an_only_deployment_has_no_rollout() -> None:
    """There is nothing to come from."""
    assert machine.left_to_do(replace(NOW, old=None), {}, PLAN) == []


def test_nothing_is_left_when_it_is_past_the_step_that_was_asked_for() -> None:
    """--step 25 at 50 % does not go back."""
    assert machine.left_to_do(replace(NOW, share=50), {}, replace(PLAN, last=25)) == []


def test_what_decided_is_said_with_the_deployments_own_names() -> None:
    """The metric at fault alone; all of them when none decided."""
    evidence = Evidence.start(POLICY).update({ERROR: (Counts(50), Counts(50, 50)), SLOW: (Counts(50), Counts(50))})
    said = machine.explain(NOW, evidence.verdict())
    assert said == "error: green 50 of 50 (100.00 %), blue 0 of 50 (0.00 %)"
    assert "slow" in machine.explain(NOW, Evidence.start(POLICY).verdict())


@pytest.mark.parametrize("judged", [True, False])
def test_disagreement_stops_a_rollout_only_when_it_is_asked_to(judged: bool) -> None:
    """Another model has a right to another opinion, unless the settings say otherwise."""
    strict = policy(tolerance=0.001, margin=0.01, alpha=0.01, beta=0.05, judge_disagreement=judged)
    evidence = Evidence.start(strict).update({"disagree": (Counts(500), Counts(500, 400))})
    assert evidence.verdict().answer == ("bad" if judged else "unknown")


def test_alpha_is_shared_by_the_metrics_that_are_judged() -> None:
    """The shares of the thresholds add up to alpha: errors carry most, and a metric that is shown takes none."""
    for judged in (True, False):
        chosen = policy(tolerance=0.001, margin=0.01, alpha=0.01, beta=0.05, judge_disagreement=judged)
        assert chosen.slower is not None
        needs = {each.name: chosen.harm_needs(each) for each in chosen.metrics if not each.shown}
        needs["slower"] = chosen.harm_needs(chosen.slower)
        assert sum(1 / need for need in needs.values()) == pytest.approx(0.01)
        assert min(needs, key=lambda name: needs[name]) == ERROR
