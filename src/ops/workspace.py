"""The way in: one place builds the credential and the client, for Azure and for the local workspace alike.

The rest of ops meets a client. Which workspace it is of concerns settings, doctor, the demo and the studio alone.
"""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local import launch
from local.errors import LocalError
from ops import sdk_noise, signin
from ops.errors import Unreachable, UsageError

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

    from ops.settings import Settings

_TOKEN_SECONDS = 3600
_LINK_SECONDS = 30
_POLL_SECONDS = 2  # between two questions whether a write has ended: the SDK would wait for 30, and a rollout with it
_LOOPBACK = "127.0.0.1"


class _FileToken:
    """A credential whose token is read from a file that only its owner can read."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def get_token(self, *scopes: str, **options: Any) -> Any:
        """Return the token as azure-core wants it; it is read anew each time, so a new one is found."""
        from azure.core.credentials import AccessToken

        return AccessToken(self._file.read_text().strip(), int(time.time()) + _TOKEN_SECONDS)


def _load_sdk() -> None:
    """Import the SDK, silenced, with garbage collection off.

    All of the 250,000 objects that it makes stay, and looking through them would take a quarter of the time.
    """
    gc.disable()
    try:
        sdk_noise.silence()
        sdk_noise.without_mlflow()
        import azure.ai.ml  # noqa: F401
    finally:
        gc.freeze()
        gc.enable()


def connect(settings: Settings) -> MLClient:
    """Return the client of the workspace that `settings` name; a local one is started if it is not up.

    Raises Unreachable when there is no workspace or no sign-in.
    """
    connection = start_local(settings) if settings.is_local else None
    _load_sdk()
    if connection is not None:
        return _local_client(connection)
    from azure.ai.ml import MLClient

    return MLClient(
        signin.credential(),
        settings.subscription,
        settings.resource_group,
        settings.workspace,
        enable_telemetry=False,
        polling_interval=_POLL_SECONDS,
    )


def metrics_client(settings: Settings, region: str) -> Any:
    """Return Azure Monitor's metrics client for the endpoints of a region."""
    from azure.monitor.querymetrics import MetricsClient

    if settings.is_local:
        connection = start_local(settings)
        return MetricsClient(connection.arm, _FileToken(Path(connection.token_file)))
    return MetricsClient(f"https://{region}.metrics.monitor.azure.com", signin.credential())


def start_local(settings: Settings) -> launch.Connection:
    """Return the connection of the local workspace, starting its server when there is none."""
    with _local(settings):
        return launch.ensure(settings.local.folder)


def studio_link(settings: Settings) -> str:
    """Return an address of the local workspace's own page that signs one browser in, once. It is a secret."""
    import requests

    connection = start_local(settings)
    headers = {"Authorization": f"Bearer {connection.token()}"}
    try:
        answer = requests.post(
            f"{connection.arm}/local/studio", headers=headers, verify=connection.ca_bundle, timeout=_LINK_SECONDS
        )
        answer.raise_for_status()
        return str(answer.json()["url"])
    except (requests.RequestException, ValueError, KeyError) as fault:
        raise Unreachable(f"local workspace: it made no link to its studio: {fault}") from fault


def find_local(settings: Settings) -> launch.Connection | None:
    """Return the connection of the local workspace when its server is up."""
    with _local(settings):
        return launch.find(settings.local.folder)


def stop_local(settings: Settings) -> bool:
    """Stop the local workspace's server; return whether it was up."""
    with _local(settings):
        return launch.stop(settings.local.folder)


def reset_local(settings: Settings) -> None:
    """Stop the server and delete the local workspace."""
    with _local(settings):
        launch.reset(settings.local.folder)


def local_log(settings: Settings) -> str:
    """Return what the server wrote to its log; "" when there is none."""
    with _local(settings):
        file = launch.log_file(settings.local.folder)
        return file.read_text(errors="replace") if file.exists() else ""


@contextmanager
def _local(settings: Settings) -> Iterator[None]:
    if not settings.is_local:
        raise UsageError(f'workspace is "{settings.workspace}", on Azure: there is no local server to manage')
    _past_the_proxy()
    try:
        yield
    except LocalError as fault:
        raise Unreachable(f"local workspace: {fault}") from fault


def _local_client(connection: launch.Connection) -> MLClient:
    # The SDK takes no CA bundle of its own for blobs and discovery, only this variable; it is this process's alone,
    # which calls nobody else.
    os.environ["REQUESTS_CA_BUNDLE"] = connection.authority or connection.ca_bundle
    from azure.ai.ml import MLClient

    return MLClient(
        _FileToken(Path(connection.token_file)),
        connection.subscription_id,
        connection.resource_group,
        connection.workspace_name,
        # The SDK keeps the first metadata that it sees under a name, and a workspace that was reset has other ports.
        cloud=f"local-{connection.instance}",
        cloud_metadata=connection.cloud_metadata,
        enable_telemetry=False,
    )


def _past_the_proxy() -> None:
    """Let calls of this machine past a proxy that the environment names, also in processes started from here."""
    for name in ("NO_PROXY", "no_proxy"):
        hosts = [host for host in os.environ.get(name, "").split(",") if host]
        if _LOOPBACK not in hosts:
            os.environ[name] = ",".join([*hosts, _LOOPBACK])
