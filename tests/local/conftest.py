"""A running local workspace, as a process of its own, and the SDK's client of it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import shapes
from house import same_environment

from local import launch


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of this folder: they are on a running workspace, but for a few."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.integration)


class Wait:
    """Waits until a condition holds, and fails when it does not by the deadline."""

    def __call__(self, condition: Callable[[], Any], seconds: float = 30, step: float = 0.02) -> Any:
        deadline = time.monotonic() + seconds
        while not (found := condition()):
            assert time.monotonic() < deadline, "the condition did not come true in time"
            time.sleep(step)
        return found


@pytest.fixture(scope="session")
def wait() -> Wait:
    return Wait()


def make_client(connection: launch.Connection) -> Any:
    """Return an unmodified MLClient of a workspace."""
    from azure.ai.ml import MLClient
    from azure.core.credentials import AccessToken

    class Token:
        def get_token(self, *scopes: str, **options: Any) -> AccessToken:
            return AccessToken(connection.token(), int(time.time()) + 3600)

    return MLClient(
        Token(),
        connection.subscription_id,
        connection.resource_group,
        connection.workspace_name,
        # The SDK keeps one table of clouds a process and refuses a second entry of the same name.
        cloud=f"local-{connection.instance}",
        cloud_metadata=connection.cloud_metadata,
    )


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[launch.Connection]:
    """A workspace for the tests that need no other one's state to be absent."""
    folder = tmp_path_factory.mktemp("workspace")
    connection = launch.ensure(folder)
    yield connection
    launch.stop(folder)


@pytest.fixture(scope="module", autouse=True)
def its_environment(workspace: launch.Connection) -> Iterator[None]:
    """Where the SDK looks for a certificate, it finds that workspace's; what else a module sets goes with it."""
    with same_environment():
        os.environ["REQUESTS_CA_BUNDLE"] = workspace.ca_bundle
        yield


@pytest.fixture(scope="session")
def ml_client(workspace: launch.Connection) -> Any:
    return make_client(workspace)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A state folder whose server, if one was started, is stopped at the end."""
    path = tmp_path / "state"
    yield path
    launch.stop(path)


@pytest.fixture(autouse=True)
def tape(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[shapes.Exchange]]:
    """Record what a test says to the control plane, and judge every answer at its end."""
    recorded: list[shapes.Exchange] = []
    send = requests.Session.send

    def listen(session: Any, request: Any, **options: Any) -> requests.Response:
        answer = send(session, request, **options)
        if not options.get("stream") and shapes.is_control(str(request.url)):
            is_json = "json" in answer.headers.get("content-type", "")
            body = answer.json() if answer.content and is_json else answer.text or None
            headers = {name.lower(): value for name, value in answer.headers.items()}
            recorded.append(shapes.Exchange(str(request.method), str(request.url), answer.status_code, headers, body))
        return answer

    monkeypatch.setattr(requests.Session, "send", listen)
    yield recorded
    if shapes.can_judge():
        assert [fault for exchange in recorded for fault in shapes.faults(exchange)] == []
