"""A browser without a screen: calls of the studio as its page makes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests

from local import launch


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
        answer = self.call("POST", "api/visit", json={"link": self.link()})
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
