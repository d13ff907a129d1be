"""A browser without a screen: calls of the studio as its page makes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from local import launch
from local.control.state import State, assemble
from local.wire.place import Place


class Browser(requests.Session):
    """One browser: it keeps cookies, says which page calls, and keeps the page's key."""

    def __init__(self, connection: launch.Connection) -> None:
        super().__init__()
        self.connection = connection
        self.headers["Origin"] = connection.studio

    def link(self) -> str:
        """Have a new link made, as `inv studio` does, and return its secret."""
        answer = requests.post(
            f"{self.connection.arm}/local/studio",
            headers={"Authorization": f"Bearer {self.connection.token()}"},
            verify=self.connection.ca_bundle,
            timeout=30,
        )
        assert answer.status_code == 201
        return str(answer.json()["url"]).removeprefix(f"{self.connection.studio}/#link=")

    def call(self, method: str, path: str, **more: Any) -> requests.Response:
        return self.request(method, f"{self.connection.studio}/{path}", timeout=30, **more)

    def sign_in(self) -> Browser:
        answer = self.call("POST", "api/session", json={"link": self.link()})
        assert answer.status_code == 200
        self.headers["x-studio-key"] = answer.json()["key"]
        return self


@pytest.fixture
def stranger(workspace: launch.Connection) -> Browser:
    """A browser that is not signed in."""
    return Browser(workspace)


@pytest.fixture
def browser(stranger: Browser) -> Browser:
    """One that is."""
    return stranger.sign_in()


@pytest.fixture
def another(workspace: launch.Connection) -> Callable[[], Browser]:
    """Make more of them."""
    return lambda: Browser(workspace)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    """A workspace without a server: an endpoint with blue, live, and green, deployed later."""
    made = assemble(tmp_path, "test", "token", Place("https://127.0.0.1:1", "http://127.0.0.1:2"))
    made.endpoints.put("end", {"properties": {}, "tags": {"kept": "yes"}})
    for name, at in (("blue", "2026-01-01"), ("green", "2026-01-02")):
        body = {"endpoint": "end", "name": name, "state": "Succeeded", "tags": {"deployed_at": at}, "serving": {"a": 1}}
        made.store.put("deployments", f"end/{name}", {**body, "properties": {}, "sku": {"capacity": 1}}, mark="end")
    made.endpoints.change("end", properties={"authMode": "Key", "traffic": {"blue": 100}, "mirrorTraffic": {}})
    made.operations.end(str(made.endpoints.get("end").body["operation"]))
    yield made
    made.store.close()
