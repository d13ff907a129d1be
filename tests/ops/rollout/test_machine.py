"""What a rollout decides, what is left for it to do, and what it refuses: the rules that need no workspace."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest
import yaml
from endpoint import Client, Resource
from house import ROOT
from hypothesis import example, given
from hypothesis import strategies as st

from ops import lineage, settings, wait
from ops.errors import Refused, RolledBack
from ops.evidence import Counts, Evidence, Harm, Metric, Policy, Safety, Slower, Verdict
from ops.project import Project
from ops.rollout import lease, ledger, machine
from ops.rollout.ledger import Ledger
from ops.rollout.machine import Rollout, decide
from ops.rollout.plan import Plan, policy
from ops.rollout.position import Position
from ops.rollout.probes import ERROR, SLOW, Block

POLICY = policy(settings.Rollout())
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
@example("good", 30.0, 100, 30.0, 100, 600.0)
@example("unknown", 600.0, 100, 30.0, 100, 600.0)
def test_row_22_what_is_decided(
    answer: str, seconds: float, requests: int, bake: float, least: int, most: float
) -> None:
    """Bad at once; on only when good for long enough, with enough requests; late only when there is no more time."""
    plan = replace(PLAN, bake_seconds=bake, min_requests=least, step_seconds=most)
    decision = decide(Verdict(answer, ()), seconds, requests, plan)  # type: ignore[arg-type]
    assert decision in get_args(machine.Action)
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
    assert machine.left_to_do(replace(NOW, share=50), {}, replace(PLAN, stop_after=25)) == []


def test_what_decided_is_said_with_the_deployments_own_names() -> None:
    """The metric at fault alone; all of them when none decided."""
    evidence = Evidence.start(POLICY).after({ERROR: (Counts(50), Counts(50, 50)), SLOW: (Counts(50), Counts(50))})
    said = machine.explain(NOW, evidence.verdict())
    assert said == "error: green 50 of 50 (100.00 %), blue 0 of 50 (0.00 %)"
    assert "slow" in machine.explain(NOW, Evidence.start(POLICY).verdict())


@pytest.mark.parametrize("judged", [True, False])
def test_disagreement_stops_a_rollout_only_when_it_is_asked_to(judged: bool) -> None:
    """Another model has a right to another opinion, unless the settings say otherwise."""
    strict = policy(settings.Rollout(judge_disagreement=judged))
    evidence = Evidence.start(strict).after({"disagree": (Counts(500), Counts(500, 400))})
    assert evidence.verdict().answer == ("bad" if judged else "unknown")


def test_alpha_is_shared_by_the_metrics_that_are_judged() -> None:
    """The shares of the thresholds add up to alpha: errors carry most, and a metric that is shown takes none."""
    for judged in (True, False):
        chosen = policy(settings.Rollout(judge_disagreement=judged))
        assert chosen.slower is not None
        thresholds = {each.name: chosen.harm_threshold(each) for each in chosen.metrics if each.judged}
        thresholds["slower"] = chosen.harm_threshold(chosen.slower)
        assert sum(1 / each for each in thresholds.values()) == pytest.approx(0.01)
        assert min(thresholds, key=lambda name: thresholds[name]) == ERROR


@pytest.mark.parametrize("judged", [True, False])
def test_the_default_policy_is_the_documented_one(judged: bool) -> None:
    """docs/evidence.md, "What counts": each number of its table, and the lines that alpha is shared by."""
    values: dict[str, Any] = yaml.safe_load((ROOT / "invoke.yaml").read_text())
    defaults = values | {"rollout": {"judge_disagreement": judged}}
    chosen = Project(defaults, ROOT).rollout_plan().policy
    assert chosen == Policy(
        metrics=(
            Metric("error", Harm(0.001, 1.0), Safety(0.01, 1.0), weight=8.0, judged=True),
            Metric("slow", Harm(0.01, 1.25), Safety(0.05, 1.25), weight=1.0, judged=True),
            Metric("disagree", Harm(0.01, 1.0), safety=None, weight=1.0, judged=judged),
        ),
        alpha=0.01,
        beta=0.05,
        slower=Slower(0.1, weight=1.0),
    )
    assert POLICY.slower == chosen.slower
    if not judged:
        assert [round(chosen.harm_threshold(each)) for each in chosen.metrics[:2]] == [125, 1000]


class Workspace(Client):
    """An endpoint with an old blue and a new green."""

    def __init__(self, share: int = 0) -> None:
        self.blue, self.green = (Resource(name=slot, tags={lineage.DEPLOYED: at}) for slot, at in DEPLOYED.items())
        super().__init__(Resource(traffic={"blue": 100 - share, "green": share}), self.blue, self.green)


DEPLOYED = {"blue": "2026-01", "green": "2026-02"}
FAILING: Block = {ERROR: (Counts(50), Counts(50, 50))}


class Nobody:
    """Is told how a rollout goes, and keeps nothing of it."""

    def begin(self, *told: object) -> None:
        """What ends a rollout is asked for here, not what is shown of it."""

    step = seen = end = begin


def roll(
    client: Any, plan: Plan = PLAN, preflight: Callable[[], object] = lambda: None, seen: Callable[[], object] = list
) -> None:
    """Roll out a new deployment that always fails; `seen` is called just before it is seen."""

    def collect(position: Position, ledger: Ledger, seconds: float) -> Iterator[Block]:
        seen()
        yield FAILING

    Rollout(client, plan, collect, Nobody()).go(lambda slot: preflight())


def test_a_deployment_made_anew_meanwhile_is_not_the_one_that_was_looked_at() -> None:
    """It was deployed during the endpoint test: it gets no traffic, and the lease is given back."""
    client = Workspace()
    with pytest.raises(Refused, match="green was deployed anew since this run looked: run inv rollout again"):
        roll(client, preflight=lambda: client.green.tags.update({lineage.DEPLOYED: "2026-03"}))
    assert [put.traffic for put in client.puts] == [{"blue": 100, "green": 0}] * len(client.puts)
    assert client.endpoint.tags[lineage.LEASE] == ""


@pytest.mark.parametrize("share", [0, 10])
def test_row_24_one_that_always_fails_is_rolled_back(share: int) -> None:
    """In one write, which gives the lease back and says why."""
    client = Workspace(share)
    with pytest.raises(RolledBack, match="green was rolled back at 10 %: error: green 50 of 50"):
        roll(client)
    assert client.endpoint.traffic == {"blue": 100}
    assert client.endpoint.tags[lineage.LEASE] == ""
    assert client.endpoint.tags[lineage.ROLLED_BACK].startswith("green of 2026-02: error: green 50 of 50")
    assert ledger.under_way(client.endpoint.tags, "green of 2026-02") is None


def test_row_24_one_deployed_anew_meanwhile_is_marked_itself() -> None:
    """The evidence is of both; what is there now has had no clean look, and is what a next rollout would find."""
    client = Workspace()
    with pytest.raises(RolledBack):
        roll(client, seen=lambda: client.green.tags.update({lineage.DEPLOYED: "2026-03"}))
    assert client.endpoint.tags[lineage.ROLLED_BACK].startswith("green of 2026-03: error: ")


def test_row_22_a_rollback_gives_way_to_another_operator() -> None:
    """It has taken the endpoint over, and decides about the traffic now."""
    client = Workspace()
    ada = str(lease.Lease("ada@elsewhere:4711 #a1b2c3", datetime.now(UTC) + timedelta(minutes=1)))
    before: list[int] = []

    def take_over() -> None:
        client.endpoint.tags[lineage.LEASE] = ada
        before.append(len(client.puts))

    with pytest.raises(Refused, match="ada@elsewhere:4711"):
        roll(client, seen=take_over)
    assert before == [len(client.puts)]
    assert client.endpoint.traffic == {"green": 10, "blue": 90}
    assert client.endpoint.tags[lineage.LEASE] == ada
    assert lineage.ROLLED_BACK not in client.endpoint.tags


def test_interrupted_while_it_takes_the_endpoint_it_lets_go_of_it() -> None:
    """The write has arrived and its end is not awaited: the lease would keep others out until it has run out."""
    client: Any = Workspace()
    pressed = [KeyboardInterrupt()]

    def result(timeout: float) -> None:
        if pressed:
            raise pressed.pop()

    client.result = result
    with pytest.raises(KeyboardInterrupt):
        roll(client)
    assert client.puts[0].tags[lineage.LEASE]
    assert client.endpoint.tags[lineage.LEASE] == ""


def test_row_22_time_that_a_write_takes_is_not_time_that_was_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    """On Azure it takes longer than the bake time: the step bakes for so many seconds of probes all the same."""
    clock, watched = [1000.0], []
    monkeypatch.setattr(wait, "clock", lambda: clock[0])
    client: Any = Workspace()
    put = client.begin_create_or_update

    def slowly(given: Resource) -> Client:
        clock[0] += 20
        written: Client = put(given)
        return written

    monkeypatch.setattr(client, "begin_create_or_update", slowly)

    def collect(position: Position, ledger: Ledger, seconds: float) -> Iterator[Block]:
        clock[0] += 1
        watched.append(len(client.puts))
        yield {ERROR: (Counts(500), Counts(500)), SLOW: (Counts(500), Counts(500))}

    plan = replace(PLAN, bake_seconds=5, checkpoint_seconds=2, stop_after=10)
    Rollout(client, plan, collect, Nobody()).go(lambda slot: None)
    assert len(watched) == 5
    assert watched[-1] > watched[0]  # it was written meanwhile


def test_row_21_one_that_fails_on_copies_gets_no_live_request() -> None:
    """The mirror step is judged as any other: it ends there."""
    client = Workspace()
    with pytest.raises(RolledBack, match="green was rolled back at 0 %"):
        roll(client, replace(PLAN, mirror=20))
    assert {"green": 20} in [put.mirror_traffic for put in client.puts]
    assert {put.traffic.get("green", 0) for put in client.puts} == {0}
    assert (client.endpoint.traffic, client.endpoint.mirror_traffic) == ({"blue": 100}, {})


def test_a_deployment_that_did_not_come_up_is_not_rolled_out() -> None:
    """Before its first request; with traffic it has a rollout that can be rolled back, which is not to be refused."""
    client: Any = Workspace()
    client.green.provisioning_state = "Failed"
    with pytest.raises(Refused, match="green did not come up: inv logs --slot green"):
        machine.observe(client, "flights")
    client.green.provisioning_state = "Updating"
    with pytest.raises(Refused, match="green is Updating: somebody is at it"):
        machine.observe(client, "flights")
    client.endpoint.traffic = {"blue": 90, "green": 10}
    assert machine.observe(client, "flights")[1].share == 10
    client.endpoint.traffic, client.green.provisioning_state = {"blue": 100}, "Succeeded"
    client.blue.provisioning_state = "Failed"
    assert machine.observe(client, "flights")[1] == Position("blue", "green", 0, "green of 2026-02")
