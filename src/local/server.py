"""The server process: sockets, token, three HTTP servers in one event loop, and an orderly end."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import json
import logging
import math
import os
import re
import secrets
import signal
import socket
import sqlite3
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from local.certificate import make_certificate
from local.control.app import control_app
from local.control.head_limits import BoundedHead
from local.control.ping import Ping
from local.control.state import assemble
from local.errors import FolderError, StartError
from local.folder import CONNECTION_FILE, STORE_FILE, check, write_private
from local.launch import PROTOCOL, Connection
from local.proof import PATH
from local.routing.front import Front
from local.storage.store import unusable
from local.studio.app import Studio
from local.wire.place import AUDIENCE, SUBSCRIPTION_ID, Place, hosts

_BACKLOG = 512
_GRACE_SECONDS = 5
_COMPLAINT_SECONDS = 60.0
_SERVERS = ("control", "scoring", "studio")
_TOKEN = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{43}")
_LOOK_SECONDS = 0.01

_logger = logging.getLogger("local")


class _Server(uvicorn.Server):
    """A uvicorn server that leaves signals to the process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def bind(preferred: int) -> socket.socket:
    """Listen on the loopback, on the port of last time if it is free, else on any."""
    for port in {preferred: None, 0: None}:
        # asyncio turns Nagle's algorithm off only on sockets that say that they are TCP; with it on, an answer in
        # two writes waits 40 ms for the client's delayed acknowledgement.
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
            listener.listen(_BACKLOG)
        except OSError as error:
            listener.close()
            if port == 0 or error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise StartError(f"No port of 127.0.0.1 can be listened on: {error}") from error
        else:
            return listener
    raise StartError("No port of 127.0.0.1 is free")


@contextlib.contextmanager
def only_server(folder: Path) -> Iterator[None]:
    """Hold the folder for this process; a second server on it is refused."""
    with (folder / "server.lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StartError(f"Another server already works on {folder}") from error
        yield


def _new_token() -> str:
    """Make a token: in form a JSON web token, from which the SDK reads tenant and audience; its last part is random.

    It is only ever compared as a whole: nothing here trusts what it says.
    """
    parts = {"alg": "none", "typ": "JWT"}, {"aud": AUDIENCE, "tid": SUBSCRIPTION_ID, "name": "local user"}
    encoded = (urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)
    return ".".join((*encoded, secrets.token_urlsafe(32)))


def _token(folder: Path) -> tuple[Path, str]:
    """Return the token and its file. The token is new if there is none, or a damaged one, which might be guessed."""
    path = folder / "token"
    found = path.read_bytes().decode(errors="replace").strip() if path.exists() else ""
    if not _TOKEN.fullmatch(found):
        found = _new_token()
        write_private(path, found.encode())
    return path, found


def _listen(folder: Path) -> dict[str, socket.socket]:
    """Listen for each server, on its port of last time where that is free, and keep the ports for the next time."""
    try:
        kept = json.loads((folder / "ports.json").read_text())
        old = {name: int(kept.get(name, 0)) for name in _SERVERS}
        old = {name: port if 0 <= port < 1 << 16 else 0 for name, port in old.items()}
    except (OSError, ValueError, AttributeError, TypeError, OverflowError):
        old = dict.fromkeys(_SERVERS, 0)
    listeners = {name: bind(port) for name, port in old.items()}
    ports = {name: listener.getsockname()[1] for name, listener in listeners.items()}
    for name, port in old.items():
        if port not in (0, ports[name]):
            _logger.warning(
                "port %d is taken: %s is on %d now, and addresses of last time are no longer right",
                port, name, ports[name],
            )  # fmt: skip
    write_private(folder / "ports.json", json.dumps(ports).encode())
    return listeners


class Complaints:
    """Logs the event loop's errors; the one that no more files can be opened, once a minute at most.

    asyncio reports that one for each client that waits, hundreds of times a second, which would fill the disk.
    """

    def __init__(self) -> None:
        self._said = -math.inf

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Handle one exception of the loop's own."""
        if "out of system resource" in str(context.get("message")):
            if loop.time() - self._said < _COMPLAINT_SECONDS:
                return
            self._said = loop.time()
        loop.default_exception_handler(context)


def _address(scheme: str, listener: socket.socket) -> str:
    return f"{scheme}://127.0.0.1:{listener.getsockname()[1]}"


def _config(app: ASGIApp, certificate: Path | None) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=BoundedHead,
        loop="asyncio",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=_BACKLOG,
        timeout_keep_alive=75,
        # An idle TLS client answers no goodbye, and control calls are short.
        timeout_graceful_shutdown=1 if certificate else _GRACE_SECONDS,
        ssl_certfile=certificate,
    )


async def _up(servers: Sequence[uvicorn.Server], tasks: Sequence[asyncio.Task[None]]) -> None:
    """Wait until each server takes calls; StartError with the reason when one ends instead."""
    while not all(server.started for server in servers):
        for task in tasks:
            if task.done():
                raise StartError(f"A server of the workspace did not start: {task.exception()!r}") from task.exception()
        await asyncio.sleep(_LOOK_SECONDS)


async def serve(folder: Path, ready_fd: int | None) -> None:
    """Serve the folder's workspace until SIGTERM or SIGINT, then end what was started.

    Raises:
        StartError: a port cannot be listened on, or a server ended at once.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(Complaints())
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    listeners = _listen(folder)
    place = Place(
        control=_address("https", listeners["control"]),
        scoring=_address("http", listeners["scoring"]),
        studio=_address("http", listeners["studio"]),
    )
    token_file, token = _token(folder)
    certificate, authority, bundle = make_certificate(folder)
    instance = secrets.token_hex(8)
    state = assemble(folder, instance, token, place)
    identity = {"instance": instance, "version": PROTOCOL}
    studio = Studio(state, state.sessions, hosts(place.studio))
    servers = [
        (_Server(_config(control_app(state), certificate)), listeners["control"]),
        (_Server(_config(studio.app, None)), listeners["studio"]),
    ]
    scoring = Front(state.router, {PATH: Ping(identity, token)})
    await state.start()
    studio.stream.start()
    await scoring.open(listeners["scoring"], _BACKLOG)
    tasks = [asyncio.create_task(server.serve(sockets=[listener])) for server, listener in servers]
    connection = Connection(
        arm=place.control,
        cloud_metadata=place.cloud_metadata(),
        authority=str(authority),
        ca_bundle=str(bundle),
        token_file=str(token_file),
        subscription_id=place.subscription_id,
        resource_group=place.resource_group,
        workspace_name=place.workspace_name,
        scoring=place.scoring,
        studio=place.studio,
        pid=os.getpid(),
        folder=str(folder),
        version=PROTOCOL,
        instance=instance,
    )
    try:
        await _up([server for server, _ in servers], tasks)
        write_private(folder / CONNECTION_FILE, json.dumps(connection.to_json(), indent=1).encode())
        _logger.info("serving %s on %s and %s", folder, place.control, place.scoring)
        if ready_fd is not None:
            os.write(ready_fd, b"ready\n")
            os.close(ready_fd)
        waiting = asyncio.create_task(stop.wait())
        await asyncio.wait([waiting, *tasks], return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
    finally:
        (folder / CONNECTION_FILE).unlink(missing_ok=True)
        await studio.stream.close()
        for server, _ in servers:
            server.should_exit = True
        await asyncio.gather(scoring.close(_GRACE_SECONDS), *tasks, return_exceptions=True)
        await state.close()


def run(folder: Path, ready_fd: int | None = None) -> None:
    """Run a server in this process, until it is told to stop."""
    try:
        check(folder)
        folder.chmod(0o700)
        os.umask(0o077)
        with only_server(folder):
            asyncio.run(serve(folder, ready_fd))
    except sqlite3.Error as error:
        raise unusable(folder / STORE_FILE, error) from error
    except OSError as error:
        raise FolderError(f"The state folder {folder} cannot be used: {error}") from error
