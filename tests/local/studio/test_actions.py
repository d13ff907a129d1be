"""What a person does on the page: said first, done once and only as said, under the rules of the service."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from local.control.api import Api
from local.control.state import State
from local.errors import Conflict, Invalid, NotFound, Refusal
from local.studio import actions, trial
from local.studio.actions import Actions
from local.wire.call import Call, Reply

SHIFT = {"do": "shift", "endpoint": "end", "slot": "green", "percent": 25}
ROLLBACK = {"do": "rollback", "endpoint": "end"}


@pytest.fixture
def own(state: State, monkeypatch: pytest.MonkeyPatch) -> Actions:
    """Actions on it, that do not stay to see whether they stay."""
    monkeypatch.setattr(actions, "_STAYS_SECONDS", 0.0)
    return Actions(state, Api(state).answer)


def live(state: State) -> dict[str, int]:
    return {name: share for name, share in state.endpoints.get("end").body["properties"]["traffic"].items() if share}


def test_a_plan_changes_nothing_and_says_what_it_would(state: State, own: Actions) -> None:
    """In words, and as both splits."""
    plan = own.plan(SHIFT)
    assert plan["says"] == "end goes from blue 100 % to blue 75 %, green 25 %."
    assert (plan["before"]["traffic"], plan["after"]) == ({"blue": 100}, {"green": 25, "blue": 75})
    assert live(state) == {"blue": 100}


def test_a_confirmed_plan_is_done_once(state: State, own: Actions) -> None:
    """What else stands on the endpoint stays; the second time there is nothing to confirm."""
    secret = own.plan(SHIFT)["confirm"]
    asyncio.run(own.confirm(secret))
    assert live(state) == {"blue": 75, "green": 25}
    assert state.endpoints.get("end").body["tags"] == {"kept": "yes"}
    with pytest.raises(Conflict, match="was used"):
        asyncio.run(own.confirm(secret))


def test_a_rollback_names_the_deployment_as_the_command_does(state: State, own: Actions) -> None:
    """Row 24: so that inv rollout refuses that very deployment afterwards."""
    asyncio.run(own.confirm(own.plan({**SHIFT, "percent": 50})["confirm"]))
    asyncio.run(own.confirm(own.plan(ROLLBACK)["confirm"]))
    assert live(state) == {"blue": 100}
    assert state.endpoints.get("end").body["tags"]["rolled_back"] == "green of 2026-01-02: by hand, in the studio"


def test_a_rollback_is_in_the_models_history(state: State, own: Actions) -> None:
    """Beside what is there already, and as inv rollback writes it; a model that is gone stops no rollback."""
    made = {"modelUri": "azureml://datastores/workspaceblobstore/paths/model", "tags": {"kept": "yes"}}
    uri = state.assets.put("models", "flights", "2", made)[0].body["properties"]["modelUri"]
    green = state.store.get("deployments", "end/green")
    assert green is not None
    for version in ("2", "3"):
        reference = f"{state.place.id}/models/flights/versions/{version}"
        state.store.put("deployments", "end/green", {**green.body, "properties": {"model": reference}}, mark="end")
        asyncio.run(own.confirm(own.plan({**SHIFT, "percent": 50})["confirm"]))
        asyncio.run(own.confirm(own.plan(ROLLBACK)["confirm"]))
        assert live(state) == {"blue": 100}
        kept = state.assets.get("models", "flights", "2").body["properties"]
        [when] = set(kept["tags"]) - {"kept"}
        assert re.fullmatch(r"rollout\.20\d\d-\d\d-\d\dT\d{6}Z", when)
        assert kept["tags"] == {"kept": "yes", when: "green: rolled back at 50 %: by hand, in the studio"}
        assert kept["modelUri"] == uri


def test_a_models_history_stays_short(state: State, own: Actions, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the command line keeps it: the newest ten outcomes, none longer than a tag of Azure's may be."""
    monkeypatch.setattr(actions, "REASON", "x" * 300)
    old = {f"rollout.2025-01-{day:02}T000000Z": "promoted" for day in range(1, 11)}
    made = {"modelUri": "azureml://datastores/workspaceblobstore/paths/model", "tags": {"kept": "yes", **old}}
    state.assets.put("models", "flights", "2", made)
    green = state.store.get("deployments", "end/green")
    assert green is not None
    reference = {"model": f"{state.place.id}/models/flights/versions/2"}
    state.store.put("deployments", "end/green", {**green.body, "properties": reference}, mark="end")
    asyncio.run(own.confirm(own.plan(ROLLBACK)["confirm"]))
    tags = state.assets.get("models", "flights", "2").body["properties"]["tags"]
    outcomes = sorted(key for key in tags if key.startswith("rollout."))
    assert outcomes[:-1] == sorted(old)[1:]
    assert len(tags[outcomes[-1]]) == 256
    assert tags["kept"] == "yes"


def test_a_split_that_moved_in_between_is_left_alone(state: State, own: Actions) -> None:
    """The confirmation was for what was seen."""
    first, second = own.plan(SHIFT)["confirm"], own.plan({**SHIFT, "percent": 50})["confirm"]
    asyncio.run(own.confirm(second))
    with pytest.raises(Conflict, match="has changed"):
        asyncio.run(own.confirm(first))
    assert live(state) == {"blue": 50, "green": 50}


def test_a_confirmation_ends(state: State) -> None:
    """Two minutes later nobody remembers what was asked."""
    now = [0.0]
    own = Actions(state, Api(state).answer, lambda: now[0])
    secret = own.plan(SHIFT)["confirm"]
    now[0] = actions.PLAN_SECONDS + 1
    with pytest.raises(Conflict, match="expired"):
        asyncio.run(own.confirm(secret))


@pytest.mark.parametrize("secret", ["", "guess"])
def test_nothing_is_done_without_a_plan(state: State, own: Actions, secret: str) -> None:
    """A secret that was given to nobody."""
    with pytest.raises(Conflict):
        asyncio.run(own.confirm(secret))
    assert live(state) == {"blue": 100}


@pytest.mark.parametrize(
    ("given", "refusal"),
    [
        ({"do": "delete"}, Invalid),
        ({**SHIFT, "percent": 101}, Invalid),
        ({**SHIFT, "percent": "25"}, Invalid),
        ({**SHIFT, "percent": True}, Invalid),
        ({**SHIFT, "slot": "red"}, Invalid),
        ({**SHIFT, "endpoint": "none"}, NotFound),
        ({"do": "cancel", "job": "none"}, NotFound),
    ],
)
def test_what_cannot_be_done_is_refused_before_anybody_confirms(
    own: Actions, given: Any, refusal: type[Refusal]
) -> None:
    """By the rules of the service."""
    with pytest.raises(refusal):
        own.plan(given)


def test_a_deployment_that_serves_nothing_gets_no_traffic(state: State, own: Actions) -> None:
    """The control plane refuses it, as it does the SDK."""
    state.deployments.change(state.deployments.get("end", "green"), serving=None, state="Failed")
    with pytest.raises(Invalid, match="provisioning state is Failed"):
        asyncio.run(own.confirm(own.plan(SHIFT)["confirm"]))
    assert live(state) == {"blue": 100}


def test_what_a_rollout_writes_late_is_written_over(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    """It read before the person's move, and wrote after it."""
    monkeypatch.setattr(actions, "_STAYS_SECONDS", 0.4)
    answer = Api(state).answer
    writes: list[Call] = []

    async def arm(call: Call) -> Reply:
        writes.append(call)
        done = await answer(call)
        if len(writes) == 1:
            late = {"authMode": "Key", "traffic": {"blue": 90, "green": 10}, "mirrorTraffic": {}}
            state.endpoints.change("end", properties=late)
        return done

    own = Actions(state, arm)
    asyncio.run(own.confirm(own.plan({**SHIFT, "percent": 50})["confirm"]))
    assert live(state) == {"blue": 50, "green": 50}
    assert len(writes) == 2


def test_a_request_goes_to_no_deployment_that_is_not_there(state: State) -> None:
    """The Test tab says so itself."""
    with pytest.raises(NotFound, match="no deployment red"):
        asyncio.run(trial.send(state, {"endpoint": "end", "slot": "red", "body": "{}"}))


def test_without_a_sample_there_is_an_empty_form(state: State) -> None:
    """Scoring code of somebody else need not have one."""
    assert "input_data" in trial.sample(state, "end")
