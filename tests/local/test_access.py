"""Who cannot get in at all: other machines, other origins, and what a request can carry to the log."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from local import launch


def test_only_loopback_is_listened_on(workspace: launch.Connection) -> None:
    """The server and all that it started have no port open to another machine."""
    server = psutil.Process(workspace.pid)
    listening = [
        one.laddr.ip
        for process in (server, *server.children(recursive=True))
        for one in process.connections("inet")
        if one.status == psutil.CONN_LISTEN
    ]
    assert set(listening) == {"127.0.0.1"}


@pytest.mark.parametrize("path", ["/anyone/score", "/_local/ping?1"])
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_no_answer_is_for_another_origin(workspace: launch.Connection, method: str, path: str) -> None:
    """No page of another site is allowed to read what the scoring port says, nor to send a key to it."""
    headers = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    answer = requests.request(method, workspace.scoring + path, headers=headers, timeout=10)
    assert not [name for name in answer.headers if name.lower().startswith("access-control-")]


def test_what_a_caller_shows_is_not_logged(workspace: launch.Connection, ml_client: Any) -> None:
    """Neither the token nor a wrong one, neither a signature nor a key, is in the server's log after their use."""
    from azure.ai.ml.entities import ManagedOnlineEndpoint

    endpoint = ml_client.online_endpoints.begin_create_or_update(ManagedOnlineEndpoint(name="logged")).result()
    key = ml_client.online_endpoints.get_keys("logged").primary_key
    secrets = ml_client.datastores.get("workspaceblobstore", include_secrets=True).credentials.sas_token
    for shown in (key, "guessed-key-of-a-stranger"):
        requests.post(endpoint.scoring_uri, data=b"{", headers={"Authorization": f"Bearer {shown}"}, timeout=10)
    said = launch.log_file(launch.Path(workspace.folder)).read_text()
    for secret in (workspace.token(), key, "guessed-key-of-a-stranger", secrets.partition("sig=")[2]):
        assert secret
        assert secret not in said


@pytest.mark.slow
def test_no_secret_is_in_the_process_list(
    workspace: launch.Connection, ml_client: Any, tmp_path: Path, wait: Any
) -> None:
    """While a job and a deployment run: no token, key or signature is an argument of any process of the workspace.

    Nor is the workspace's token in the environment of what it runs.
    """
    from azure.ai.ml import command
    from tests.local.serving.test_deployments import Site

    gate, note = tmp_path / "gate", tmp_path / "note"
    line = f"echo $MLFLOW_TRACKING_TOKEN > {note}; until [ -e {gate} ]; do sleep 0.02; done"
    job = ml_client.jobs.create_or_update(
        command(command=line, environment="AzureML-sklearn-1.5@latest", compute="cpu-cluster")
    )
    site = Site(ml_client, "processes", tmp_path)
    site.deploy("blue")
    wait(lambda: note.exists() and note.read_text().strip())
    keys = ml_client.online_endpoints.get_keys("processes")
    signature = ml_client.datastores.get("workspaceblobstore", include_secrets=True).credentials.sas_token
    secrets = [workspace.token(), note.read_text().strip(), keys.primary_key, keys.secondary_key]
    secrets.append(signature.partition("sig=")[2])
    server = psutil.Process(workspace.pid)
    arguments, environments = [" ".join(server.cmdline())], []
    for process in server.children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):  # the job's sleep, which ends at once
            arguments.append(" ".join(process.cmdline()))
            environments.append(" ".join(process.environ().values()))
    gate.touch()
    ml_client.online_endpoints.begin_delete("processes").result()
    ml_client.jobs.stream(job.name)
    assert any("until" in each for each in arguments)
    assert any("container.py" in each or "azmlinfsrv" in each for each in arguments)
    assert all(secrets)
    assert not [secret for secret in secrets for each in arguments if secret in each]
    assert not [each for each in environments if workspace.token() in each]


@pytest.mark.parametrize("piece", [b"X: " + b"y" * 8000 + b"\r\n", b"y" * 8000], ids=["many headers", "one header"])
def test_a_head_without_end_is_cut_off(workspace: launch.Connection, piece: bytes) -> None:
    """Headers that go on and on are refused before they fill the memory."""
    host, _, port = workspace.scoring.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as caller:
        caller.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX: ")
        sent = 0
        with contextlib.suppress(ConnectionError):
            while sent < 64 << 20:
                sent += caller.send(piece)
    assert sent < 64 << 20
