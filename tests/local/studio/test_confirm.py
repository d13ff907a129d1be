"""A person's move of the traffic against another writer of the same endpoint, both through the control plane."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from local.control.api import Api
from local.control.state import assemble
from local.errors import Conflict
from local.studio import actions
from local.wire.call import Call, Reply
from local.wire.place import Place


def test_a_move_against_one_who_writes_again_and_again_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says so and leaves the other's split, where it would have written for ever."""
    for name, seconds in (("_BUSY_SECONDS", 0.3), ("_STAYS_SECONDS", 0.2), ("_LOOK_SECONDS", 0.01)):
        monkeypatch.setattr(actions, name, seconds)
    state = assemble(tmp_path, "test", "token", Place("https://127.0.0.1:1", "http://127.0.0.1:2"))
    others = {"authMode": "Key", "traffic": {"blue": 90, "green": 10}, "mirrorTraffic": {}}
    answer, writes = Api(state).answer, 0

    async def arm(call: Call) -> Reply:
        nonlocal writes
        writes += 1
        done = await answer(call)
        state.endpoints.change("end", properties=others)
        return done

    async def scenario() -> None:
        await answer(Call("PUT", f"{state.place.id}/onlineEndpoints/end", body={"properties": {}}))
        for name in ("blue", "green"):
            body = {"endpoint": "end", "name": name, "state": "Succeeded", "tags": {}, "serving": {"a": 1}}
            state.store.put("deployments", f"end/{name}", body, mark="end")
        state.endpoints.change("end", properties=others)
        own = actions.Actions(state, arm)
        secret = own.plan({"do": "shift", "endpoint": "end", "slot": "green", "percent": 50})["confirm"]
        with pytest.raises(Conflict, match=r"again and again: it is now blue 90 %, green 10 %\."):
            await asyncio.wait_for(own.confirm(secret), 10)

    asyncio.run(scenario())
    assert writes > 1
    assert state.endpoints.get("end").body["properties"] == others
    state.store.close()
