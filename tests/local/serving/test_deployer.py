"""What becomes of deployments and their operations when something fails, or ends in the middle."""

from __future__ import annotations

import asyncio
import logging
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from servers import run, until

from local.control.api import Api
from local.control.state import State, assemble
from local.errors import Conflict, Invalid
from local.routing.scoring_request import ScoringRequest
from local.serving.spec import DeploymentSpec
from local.storage.store import Document
from local.wire.call import Call, Reply
from local.wire.place import Place

SCRIPT = b"""
def init(): pass
def run(data): return 1
"""
BLUE = {
    "endpointComputeType": "Managed",
    "codeConfiguration": {"codeId": "azureml:code:1", "scoringScript": "score.py"},
}


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Callable[[], State]]:
    """Make the workspace of a folder, without a server; each time as it is found on disk."""
    made: list[State] = []

    def again() -> State:
        made.append(assemble(tmp_path, "test", "token", Place("https://127.0.0.1:1", "http://127.0.0.1:2")))
        return made[-1]

    yield again
    for each in made:
        each.store.close()


@pytest.fixture
def state(begin: Callable[[], State]) -> State:
    """One with an endpoint, and with code to deploy on it."""
    state = begin()
    asyncio.run(ask(state, "PUT", "end", {}))
    file = state.blobs.new_file()
    file.write_bytes(SCRIPT)
    state.blobs.commit("box", "code/score.py", file)
    state.store.put("codes", "code", {"properties": {"container": "box", "path": "code"}}, version="1")
    return state


async def ask(state: State, method: str, path: str, properties: dict[str, Any] | None = None) -> Reply:
    body = None if properties is None else {"location": "local", "properties": properties}
    return await Api(state).answer(Call(method, f"{state.place.id}/onlineEndpoints/{path}", body=body))


def knock(state: State, endpoint: str) -> int:
    """Call an endpoint without a key: 401 where there is one."""
    reply = state.router.check(ScoringRequest.of("POST", f"/{endpoint}/score".encode(), []))
    assert reply is not None
    return reply.status


def leave(state: State, name: str, **more: Any) -> None:
    """Write a deployment as a server that was killed leaves it."""
    endpoint, _, own = name.partition("/")
    body = {"endpoint": endpoint, "name": own, "state": "Succeeded", "properties": BLUE, "sku": {"capacity": 1}}
    state.store.put("deployments", name, body | {"tags": {}} | more, mark=endpoint)


def test_an_endpoint_that_is_being_deleted_takes_no_deployment(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is put on it or taken from it while it drains, and nothing is left of it."""
    leave(state, "end/blue")
    draining, drained = asyncio.Event(), asyncio.Event()
    remove = state.supervisor.remove

    async def slowly(endpoint: str, name: str) -> None:
        draining.set()
        await drained.wait()
        await remove(endpoint, name)

    monkeypatch.setattr(state.supervisor, "remove", slowly)

    async def scenario() -> None:
        await ask(state, "DELETE", "end")
        await draining.wait()
        for method, name, body in (("PUT", "green", BLUE), ("PUT", "blue", BLUE), ("DELETE", "blue", None)):
            with pytest.raises(Conflict, match="Another operation is running on onlineEndpoints/end"):
                await ask(state, method, f"end/deployments/{name}", body)
        drained.set()
        await until(lambda: not state.operations.under_way())

    run(scenario())
    assert (state.store.names("endpoints"), state.store.names("deployments")) == ([], [])


def test_a_deployment_without_its_endpoint_is_forgotten_at_the_next_start(
    state: State, begin: Callable[[], State]
) -> None:
    """However it came about, the server starts, and no operation is under way for ever."""
    leave(state, "gone/blue", serving={"properties": BLUE, "sku": {"capacity": 1}})
    state.operations.begin("onlineEndpoints/gone/deployments/blue", "od")
    after = begin()
    run(after.start())
    assert (after.store.names("endpoints"), after.store.names("deployments")) == (["end"], [])
    assert after.operations.under_way() == []


def test_what_cannot_be_recovered_holds_up_nothing_else(
    state: State, begin: Callable[[], State], caplog: pytest.LogCaptureFixture
) -> None:
    """An endpoint with a split that is none: the log names it, the others are there, and it can be deleted."""
    asyncio.run(ask(state, "PUT", "other", {}))
    broken = {"authMode": "Key", "traffic": {"blue": None}, "mirrorTraffic": {}}
    state.endpoints.change("end", properties=broken)
    state.operations.begin("onlineEndpoints/other", "oe")
    after = begin()

    async def scenario() -> None:
        await after.start()
        assert "endpoint end could not be recovered" in caplog.text
        assert {name: knock(after, name) for name in ("end", "other")} == {"end": 404, "other": 401}
        assert after.operations.under_way() == []
        await ask(after, "DELETE", "end")
        await until(lambda: after.store.names("endpoints") == ["other"])

    run(scenario())


@pytest.mark.parametrize("kind", ["traffic", "mirrorTraffic"])
@pytest.mark.parametrize("share", [None, 0.0, "", False])
def test_a_share_that_is_no_number_is_refused_for_a_new_endpoint_too(state: State, kind: str, share: Any) -> None:
    """It would be kept, and the endpoint could be neither routed nor changed any more."""
    with pytest.raises(Invalid, match="whole number"):
        asyncio.run(ask(state, "PUT", "new", {kind: {"blue": share}}))
    assert state.store.names("endpoints") == ["end"]
    asyncio.run(ask(state, "PUT", "new", {kind: {"blue": 0}}))
    assert knock(state, "new") == 401


@pytest.mark.slow
def test_what_failed_to_serve_again_is_tried_again_at_the_next_start(state: State, begin: Callable[[], State]) -> None:
    """Its files were away for one start; at the second it answers, and is Succeeded; a third changes nothing of it."""
    changed: list[str] = []
    code = state.folder / "blobs"

    async def serve() -> None:
        await ask(state, "PUT", "end/deployments/blue", BLUE)
        await until(lambda: not state.operations.under_way())
        await ask(state, "PUT", "end", {"traffic": {"blue": 100}})
        await state.supervisor.close()

    async def once_more() -> tuple[str, list[bool]]:
        after = begin()
        await after.start()
        running = after.supervisor.running("end", "blue")
        found = after.deployments.get("end", "blue").body["state"]
        changed.append(after.deployments.get("end", "blue").modified)
        # The split that was set can still be written, as a rollback or a change of tags does.
        await ask(after, "PUT", "end", {"traffic": {"blue": 100}})
        await after.close()
        return found, running

    async def scenario() -> None:
        await serve()
        shutil.rmtree(state.folder / "codes")
        code.rename(state.folder / "away")
        code.mkdir()
        assert await once_more() == ("Failed", [])
        code.rmdir()
        (state.folder / "away").rename(code)
        assert await once_more() == ("Succeeded", [True])
        assert await once_more() == ("Succeeded", [True])
        assert changed[1] == changed[2]

    run(scenario())


@pytest.mark.parametrize("failure", [None, ValueError("of a library")])
def test_an_operation_ends_however_its_work_fails(
    state: State, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, failure: Exception | None
) -> None:
    """An error that nobody thought of fails it; an end that cannot be written is written when it can be."""
    caplog.set_level(logging.ERROR)

    async def serve(spec: DeploymentSpec) -> None:
        state.store.db.execute("PRAGMA query_only=ON")
        if failure:
            raise failure

    monkeypatch.setattr(state.supervisor, "apply", serve)

    async def scenario() -> None:
        await ask(state, "PUT", "end/deployments/blue", BLUE)
        await until(lambda: "cannot be written" in caplog.text)
        assert state.operations.under_way() != []
        state.store.db.execute("PRAGMA query_only=OFF")
        await until(lambda: not state.operations.under_way())

    run(scenario())
    blue = state.deployments.get("end", "blue").body
    assert blue["state"] == ("Failed" if failure else "Succeeded")
    error = state.operations.get(blue["operation"]).body["error"]
    assert ("of a library" in error["message"]) if failure else error is None


def test_a_write_of_an_endpoint_leaves_nothing_under_way(state: State) -> None:
    """It is shown as under way, and has ended on disk: no kill comes in between."""
    document, operation = state.endpoints.put("new", {"properties": {}})
    assert document.body["state"] == "Creating"
    assert state.endpoints.get("new").body["state"] == "Succeeded"
    assert state.operations.get(operation).body["status"] == "Succeeded"


def test_a_patch_writes_over_nothing_that_came_after_it_had_read(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    """A split that is set meanwhile stays, beside the tags of the patch."""
    get, properties = state.endpoints.get, {"authMode": "Key", "traffic": {"blue": 100}, "mirrorTraffic": {}}
    shift = threading.Thread(target=state.endpoints.change, args=("end",), kwargs={"properties": properties})

    def read(name: str) -> Document:
        found = get(name)
        if shift.ident is None:
            shift.start()
            shift.join(0.3)
        return found

    monkeypatch.setattr(state.endpoints, "get", read)
    path = f"{state.place.id}/onlineEndpoints/end"
    asyncio.run(Api(state).answer(Call("PATCH", path, body={"tags": {"lease": "mine"}})))
    shift.join()
    body = get("end").body
    assert (body["properties"]["traffic"], body["tags"]) == ({"blue": 100}, {"lease": "mine"})


def test_a_patch_of_a_deployment_writes_over_nothing_either(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another size that is set meanwhile stays, beside the tags of the patch."""
    leave(state, "end/blue")
    get = state.deployments.get
    more = {"sku": {"capacity": 3}}
    scale = threading.Thread(target=state.deployments.change, args=(get("end", "blue"),), kwargs=more)

    def read(endpoint: str, name: str) -> Document:
        found = get(endpoint, name)
        if scale.ident is None:
            scale.start()
            scale.join(0.3)
        return found

    async def serve(spec: DeploymentSpec) -> None:
        pass

    monkeypatch.setattr(state.deployments, "get", read)
    monkeypatch.setattr(state.supervisor, "apply", serve)

    async def scenario() -> None:
        path = f"{state.place.id}/onlineEndpoints/end/deployments/blue"
        await Api(state).answer(Call("PATCH", path, body={"tags": {"by": "me"}}))
        await until(lambda: not state.operations.under_way())

    run(scenario())
    scale.join()
    body = get("end", "blue").body
    assert (body["sku"]["capacity"], body["tags"]) == (3, {"by": "me"})


@pytest.mark.parametrize(
    ("changed", "is_new"),
    [
        ({"livenessProbe": {"period": "PT3S"}}, True),
        ({"readinessProbe": {"failureThreshold": 3}}, True),
        ({"environmentVariables": {"A": "b"}}, True),
        ({"requestSettings": {"requestTimeout": "PT7S"}}, False),
        ({"description": "another"}, False),
    ],
)
def test_new_processes_are_started_for_what_a_process_is_started_with(
    state: State, monkeypatch: pytest.MonkeyPatch, changed: dict[str, Any], is_new: bool
) -> None:
    """Its probes are among that; what the router holds to is not."""
    asked: list[DeploymentSpec] = []

    async def serve(spec: DeploymentSpec) -> None:
        asked.append(spec)

    monkeypatch.setattr(state.supervisor, "apply", serve)

    async def scenario() -> None:
        for more in ({}, changed):
            await ask(state, "PUT", "end/deployments/blue", BLUE | more)
            await until(lambda: not state.operations.under_way())

    run(scenario())
    assert (asked[0].generation != asked[1].generation) == is_new


def test_what_was_half_made_is_removed_at_the_next_start(state: State, begin: Callable[[], State]) -> None:
    """A kill left the half of a model and of a code; the whole ones stay."""
    for kind in ("models", "codes"):
        for name in (".new-0123456789ab/1", "whole/1"):
            (state.folder / kind / name).mkdir(parents=True)
    run(begin().start())
    assert {each.name for kind in ("models", "codes") for each in (state.folder / kind).iterdir()} == {"whole"}
