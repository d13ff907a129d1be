"""A rollout that is killed, cut off, or met by another one: the traffic is whole, no request fails, and it can go on.

ROLLOUT_KILLS says how many seeds are tried (10 when not set); ROLLOUT_SEED says which is the first.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
import requests
import rolling
from house import House

from local import launch
from ops import csv_rows, lineage, replay, traffic
from ops.project import Project
from ops.rollout import ledger

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("ROLLOUT_KILLS", "10"))
FIRST_SEED = int(os.environ.get("ROLLOUT_SEED", "1"))
ENDPOINT = "flight-delays"
# A rollout of some three seconds that saves its evidence often; answers are slow from 0.12 s on.
QUICK = {
    "steps": "10, 50, 100",
    "bake_seconds": 0,
    "min_requests": 20,
    "checkpoint_seconds": 0.3,
    "slow_ms": 120,
    "lease_minutes": 0.5,
}
SLOW = {"endpoint": ENDPOINT, "deployment": "green", "share": 1, "delay_ms": 200}
ONE = f"onlineEndpoints/{ENDPOINT}$"
FAULTS: dict[str, list[dict[str, Any]]] = {
    "5xx on writes": [{"method": "PUT", "path": ONE, "status": 503, "times": 2}],
    "5xx on reads": [{"method": "GET", "path": ONE, "status": 500, "times": 5}],
    "busy": [{"method": "PUT", "path": ONE, "status": 409, "times": 2}],
    "throttled": [{"method": "PUT|GET", "path": ONE, "status": 429, "retry_after": 1, "times": 2}],
    "lost answers": [{"method": "PUT", "path": ONE, "lost": True, "times": 2}],
    "operations that are given up": [{"path": "mfeOperationsStatus", "ends": "OperationCanceled", "times": 3}],
    "updates as slow as Azure's": [{"method": "PUT", "path": ONE, "takes_ms": 1200, "times": 40}],
    "refused": [{"method": "PUT|GET", "path": ONE, "refused": True, "times": 4}],
    "stale reads": [{"method": "GET", "path": ONE, "stale": True, "times": 12}],
    "slow": [{"method": "PUT|GET", "path": ONE, "delay_ms": 500, "times": 6}],
}


@pytest.fixture(scope="module")
def project(house: House) -> Project:
    """A checkout with the same model in both colours, all traffic on blue."""
    house.set(rollout=QUICK)
    for words in (["train-dev"], ["train-prod", "--yes"], ["deploy"], ["deploy", "--force"]):
        done = house.inv(*words)
        assert done.returncode == 0, done.stdout + done.stderr
    return Project(house.settings(), house.root)


def ask_faults(project: Project, method: str, given: dict[str, Any] | None = None) -> dict[str, Any]:
    """Ask the local workspace for its faults, or change them; return what it says."""
    found = launch.find(project.settings.local.folder)
    assert found is not None
    url, token = f"{found.arm.rstrip('/')}/local/faults", {"Authorization": f"Bearer {found.token()}"}
    reply = requests.request(method, url, json=given, headers=token, verify=found.ca_bundle, timeout=30)
    reply.raise_for_status()
    return dict(reply.json())


def workspace_faults(project: Project, control: list[dict[str, Any]], scoring: list[dict[str, Any]]) -> None:
    """Have the local workspace fail so, and no longer as before."""
    ask_faults(project, "DELETE")
    ask_faults(project, "PUT", {"control": control, "scoring": scoring})


@pytest.fixture
def afresh(project: Project) -> Iterator[Callable[[], None]]:
    """Forget every rollout: all traffic on blue, no tag of one, no fault. Done before and after each test too."""

    def reset() -> None:
        workspace_faults(project, [], [])
        endpoint = project.client.online_endpoints.get(ENDPOINT)
        ours = (lineage.ROLLOUT, lineage.EVIDENCE, lineage.LEASE, lineage.ROLLED_BACK)
        endpoint.tags = {key: value for key, value in endpoint.tags.items() if not key.startswith(ours)}
        endpoint.traffic, endpoint.mirror_traffic = {"blue": 100}, {}
        project.client.online_endpoints.begin_create_or_update(endpoint).result()

    reset()
    yield reset
    reset()


def split(client: MLClient) -> dict[str, int]:
    """Return the endpoint's split from the list of all, which no fault of these tests strikes."""
    [endpoint] = [found for found in client.online_endpoints.list() if found.name == ENDPOINT]
    return dict(traffic.split_of(endpoint).live)


class Splits(threading.Thread):
    """Looks at the split all the time."""

    def __init__(self, project: Project) -> None:
        super().__init__(daemon=True)
        self._client, self._over = project.client, threading.Event()
        self.seen: set[tuple[tuple[str, int], ...]] = set()

    def run(self) -> None:
        while not self._over.wait(0.15):
            self.seen.add(tuple(sorted(split(self._client).items())))

    def end(self) -> None:
        self._over.set()
        self.join(60)


@pytest.fixture
def clients(project: Project, afresh: Callable[[], None]) -> Iterator[replay.Replay]:
    """Clients that call throughout; no request of theirs fails, and the traffic they meet sums to 100 at any time."""
    rows = csv_rows.read(project.root / "data/live", project.sample, limit=500)
    splits = Splits(project)
    with replay.Replay(project.address, project.sample, rows, clients=2, requests_a_second=20) as running:
        splits.start()
        yield running
        assert splits.is_alive(), "nobody looked at the split any more"
        splits.end()
    assert running.answers, "no client got an answer: the test proved nothing"
    assert [answer for answer in running.answers if not answer.ok] == []
    assert splits.seen
    assert {sum(share for _, share in seen) for seen in splits.seen} == {100}


def start(project: Project, **options: Any) -> rolling.Rolling:
    """Start a rollout with the checkout's settings, and changes to them in `rollout` and `local`."""
    values = project.settings.model_dump(mode="json", by_alias=True)
    values["rollout"] |= {"steps": QUICK["steps"], **options.pop("rollout", {})}
    values["local"] |= options.pop("local", {})
    values["train"]["drop"] = ",".join(values["train"]["drop"])
    return rolling.start(project.root, values, **options)


def end_state(project: Project) -> tuple[dict[str, int], str]:
    """Return the split and how the ledger stands, with no fault left; the lease must have been given back."""
    workspace_faults(project, [], [])
    endpoint = project.client.online_endpoints.get(ENDPOINT)
    assert not endpoint.tags.get(lineage.LEASE), "the lease was not given back"
    status = json.loads(endpoint.tags[lineage.ROLLOUT])[5]
    return dict(traffic.split_of(endpoint).live), status


COMPLETE = ({"green": 100}, ledger.DONE)
BACK = ({"blue": 100}, ledger.ROLLED_BACK)


@pytest.mark.timeout(60 + 40 * KILLS)
def test_row_22_row_24_killed_anywhere_a_second_run_ends_where_the_first_would_have(
    project: Project, clients: replay.Replay, afresh: Callable[[], None]
) -> None:
    """kill -9 before, during or after any call, a good green and a slow one, now and then with a fault as well."""
    made: dict[bool, int] = {}
    for good in (True, False):
        afresh()
        workspace_faults(project, [], [] if good else [SLOW])
        whole = start(project).ended()
        assert whole is not None
        assert end_state(project) == (COMPLETE if good else BACK), whole
        made[good] = whole.calls
    died = 0
    for seed in range(FIRST_SEED, FIRST_SEED + KILLS):
        chance = random.Random(seed)
        good = chance.random() < 0.5
        kill_at, moment = chance.randrange(made[good]), chance.choice(["before", "during", "after"])
        control = chance.choice([[], *FAULTS.values()])
        story = f"seed {seed}: good {good}, {moment} call {kill_at} of {made[good]}, faults {control}"
        afresh()
        workspace_faults(project, control, [] if good else [SLOW])
        first = start(project, kill_at=kill_at, moment=moment).ended()
        died += first is None
        assert sum(split(project.client).values()) == 100, story
        workspace_faults(project, [], [] if good else [SLOW])
        second = start(project).ended()
        assert second is not None, story
        assert second.error in ("", "RolledBack", "Refused"), f"{story}: {second}"
        assert end_state(project) == (COMPLETE if good else BACK), f"{story}: {second}"
    assert died > KILLS // 2


@pytest.mark.parametrize("good", [True, False], ids=["rollout", "rollback"])
@pytest.mark.parametrize("name", FAULTS)
def test_a_workspace_that_is_half_broken(project: Project, clients: replay.Replay, name: str, good: bool) -> None:
    """Row 24: each fault strikes the writes and reads of a rollout, or of a rollback; it gets through all the same."""
    workspace_faults(project, FAULTS[name], [] if good else [SLOW])
    ended = start(project).ended()
    assert ended is not None
    assert ended.error == ("" if good else "RolledBack"), ended
    assert end_state(project) == (COMPLETE if good else BACK)


def until(condition: Callable[[], object], what: str, seconds: float = 30) -> None:
    """Wait until the condition holds, and fail when it does not by then."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.05)


def share(project: Project) -> int:
    return split(project.client).get("green", 0)


@pytest.mark.parametrize("name", [None, "updates as slow as Azure's"])
def test_row_24_a_second_rollout_is_refused_and_a_rollback_by_hand_ends_the_first(
    project: Project, house: House, clients: replay.Replay, name: str | None
) -> None:
    """The second exits with 1 and the name of the first; that sees that a person moved the traffic: exit 3."""
    workspace_faults(project, FAULTS[name] if name else [], [])
    first = start(project, rollout={"bake_seconds": 120})
    until(lambda: share(project) == 10, "the first step")
    refused = said(house.inv("rollout"), 1)
    assert f":{first.process.pid} #" in refused
    assert "is rolling out on this endpoint" in refused
    assert share(project) == 10
    assert "rolled back: blue 100 %" in said(house.inv("rollback"), 0)
    ended = first.ended()
    assert ended is not None
    assert ended.error == "Paused"
    assert "by hand" in ended.said
    assert split(project.client) == {"blue": 100}


def test_two_rollouts_that_start_together(project: Project, clients: replay.Replay, afresh: Callable[[], None]) -> None:
    """However they race, one completes; the other is refused, or comes so late that it has nothing to do."""
    for _ in range(2):
        afresh()
        both = [start(project) for _ in range(2)]
        errors = sorted(ended.error for ended in (each.ended() for each in both) if ended)
        assert errors in (["", "Refused"], ["", ""])
        assert end_state(project) == COMPLETE


def test_a_rollout_that_is_taken_over_gives_way(project: Project, clients: replay.Replay) -> None:
    """--force: the first ends with the name of the second, and touches nothing any more."""
    first = start(project, rollout={"bake_seconds": 60})
    until(lambda: share(project) == 10, "the first step")
    second = start(project, force=True)
    ended, won = first.ended(), second.ended()
    assert ended is not None
    assert won is not None
    assert (ended.error, won.error) == ("Refused", "")
    assert f":{second.process.pid} #" in ended.said
    assert end_state(project) == COMPLETE


def test_ctrl_c_leaves_it_ready_to_go_on(project: Project, clients: replay.Replay) -> None:
    """The lease is given back and the evidence kept at once; the traffic stays, and the next run takes it up."""
    running = start(project, rollout={"bake_seconds": 120, "checkpoint_seconds": 60, "lease_minutes": 2})
    until(lambda: share(project) == 10, "the first step")
    assert running.process.pid is not None
    os.kill(running.process.pid, signal.SIGINT)
    assert running.ended() is None
    assert end_state(project) == ({"blue": 90, "green": 10}, ledger.RUNNING)
    again = start(project).ended()
    assert again is not None
    assert again.error == ""
    assert end_state(project) == COMPLETE


def test_row_24_a_rollback_that_was_interrupted_is_made_up_for(project: Project, afresh: Callable[[], None]) -> None:
    """Ctrl-C amid its write: the next run has the evidence of this one, and rolls back whatever it meets itself."""
    saved = {"checkpoint_seconds": 60}
    running = start(project, rollout={"bake_seconds": 120, "lease_minutes": 2, **saved}, local=saved)
    until(lambda: share(project) == 10, "the first step")
    workspace_faults(project, [{"method": "PUT", "path": ONE, "status": 503, "times": 1000}], [SLOW])
    until(lambda: ask_faults(project, "GET")["control"][0]["times"] < 1000, "the rollback's write")
    assert running.process.pid is not None
    os.kill(running.process.pid, signal.SIGINT)
    workspace_faults(project, [], [])
    assert running.ended() is None
    assert end_state(project) == ({"blue": 90, "green": 10}, ledger.RUNNING)
    again = start(project).ended()
    assert again is not None
    assert again.error == "RolledBack"
    assert end_state(project) == BACK


def test_row_26_nothing_is_taken_away_from_a_rollout_at_its_last_step(
    project: Project, house: House, clients: replay.Replay
) -> None:
    """With all the traffic on green, blue is its way back: neither deleted nor replaced, and status says so."""
    running = start(project, rollout={"steps": "100", "bake_seconds": 120})
    until(lambda: share(project) == 100, "the last step")
    for words in (["cleanup"], ["deploy"], ["test-endpoint"]):
        assert "is rolling out on this endpoint" in said(house.inv(*words), 1)
    status = json.loads(house.inv("status", "--json").stdout)
    assert status["rollout"]["held_by"]
    assert "goes on by itself" in status["next"]
    assert running.process.pid is not None
    os.kill(running.process.pid, signal.SIGINT)
    assert running.ended() is None
    for words in (["cleanup"], ["deploy", "--version", "1"]):
        assert "its rollout is not over, and blue is its way back" in said(house.inv(*words), 1)
    assert json.loads(house.inv("status", "--json").stdout)["next"] == "inv rollout to go on, or inv rollback"
    assert "rolled back: blue 100 %" in said(house.inv("rollback", "--unfinished"), 0)


def said(done: subprocess.CompletedProcess[str], code: int) -> str:
    """Return what a command said, on either stream; fail when it ended otherwise."""
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def test_row_22_a_bad_one_can_be_held_where_it_is(project: Project, house: House, afresh: Callable[[], None]) -> None:
    """--on-fail pause: exit 3, traffic as it is; judged anew with --force, it goes on."""
    workspace_faults(project, [], [SLOW])
    assert "green stays at 10 %: slow: green" in said(house.inv("rollout", "--on-fail", "pause"), 3)
    assert share(project) == 10
    workspace_faults(project, [], [])
    assert "green stays at 10 %" in said(house.inv("rollout", "--on-fail", "pause"), 3)
    assert "rollout complete" in said(house.inv("rollout", "--force"), 0)


def test_row_22_not_yet_known_by_the_deadline(project: Project, clients: replay.Replay) -> None:
    """Paused, traffic as it is, evidence kept; the next run has the step's time again, and goes on."""
    late = start(project, rollout={"min_requests": 1_000_000, "step_minutes": 0.02}).ended()
    assert late is not None
    assert late.error == "Paused"
    assert "not yet known after" in late.said
    assert end_state(project) == ({"blue": 90, "green": 10}, ledger.PAUSED)
    again = start(project, rollout={"step_minutes": 0.5}).ended()
    assert again is not None
    assert again.error == ""
    assert end_state(project) == COMPLETE


def test_row_21_row_23_a_rollout_in_parts(project: Project, house: House, afresh: Callable[[], None]) -> None:
    """--dry-run changes nothing, --step 10 stops there, --mirror sends copies first, and the rest follows."""

    def all_of_it() -> dict[str, Any]:
        return dict(project.client.online_endpoints.get(ENDPOINT)._to_dict())

    before = all_of_it()
    assert "10 %, 50 %, 100 %" in said(house.inv("rollout", "--dry-run"), 0)
    assert all_of_it() == before
    part = said(house.inv("rollout", "--step", "10", "--mirror", "20"), 0)
    assert "traffic: blue 100 %, green mirrors 20 %" in part
    assert "stopped after 10 %, as asked" in part
    assert traffic.read(project.client, ENDPOINT) == traffic.Split({"blue": 90, "green": 10}, {})
    before = all_of_it()
    assert "good: error" in said(house.inv("rollout", "--dry-run"), 0)
    assert all_of_it() == before
    assert "taken up at 10 %" in said(house.inv("rollout"), 0)
    assert end_state(project) == COMPLETE


@pytest.mark.parametrize(
    ("words", "message"),
    [(["--step", "30"], "the steps are 10, 50, 100"), (["--step", "x"], "whole number"),
     (["--mirror", "51"], "at most 50"), (["--on-fail", "panic"], "rollback or pause")],
)  # fmt: skip
def test_an_option_that_cannot_be(project: Project, house: House, words: list[str], message: str) -> None:
    """Wrong usage, before anything is touched."""
    assert message in said(house.inv("rollout", *words), 2)
