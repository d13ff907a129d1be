"""The tape: what was said to the control plane, for someone to read."""

from __future__ import annotations

import json
from pathlib import Path

import requests

from local import launch
from local.folder import EXCHANGES_FILE


def ask(connection: launch.Connection, token: str) -> requests.Response:
    url = f"{connection.arm}/subscriptions/{connection.subscription_id}/resourceGroups/{connection.resource_group}"
    where = f"{url}/providers/Microsoft.MachineLearningServices/workspaces/{connection.workspace_name}?api-version=x"
    headers = {"Authorization": f"Bearer {token}"}
    with requests.Session() as session:
        session.trust_env = False
        return session.get(where, headers=headers, verify=connection.ca_bundle, timeout=30)


def test_exchanges_are_written_down_when_there_is_a_file_for_them(folder: Path) -> None:
    """Refusals too; what the caller showed is not in it."""
    folder.mkdir(mode=0o700)
    (folder / EXCHANGES_FILE).touch()
    connection = launch.ensure(folder)
    said = ask(connection, connection.token()).json()
    assert ask(connection, "shown-by-a-stranger").status_code == 401
    text = (folder / EXCHANGES_FILE).read_text()
    first, second = map(json.loads, text.splitlines())
    assert (first["method"], first["status"], first["body"]) == ("GET", 200, said)
    assert first["url"].endswith("/workspaces/local?api-version=x")
    assert second["status"] == 401
    assert "shown-by-a-stranger" not in text
    assert connection.token() not in text


def test_without_a_file_nothing_is_written(workspace: launch.Connection) -> None:
    """As it is, unless asked for."""
    assert ask(workspace, workspace.token()).status_code == 200
    assert not (Path(workspace.folder) / EXCHANGES_FILE).exists()
