"""How long a request may take to arrive at the control plane."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from local.control import head_limits


async def answer(request: Request) -> PlainTextResponse:
    body = await request.body()
    # Longer than a client may be silent: it has said all.
    await asyncio.sleep(0.6)
    return PlainTextResponse(f"{len(body)} bytes")


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A server that hangs up after a fifth of a second of silence."""
    monkeypatch.setattr(head_limits, "SILENT_SECONDS", 0.2)
    app = Starlette(routes=[Route("/", answer, methods=["POST"])])
    server = uvicorn.Server(uvicorn.Config(app, http=head_limits.BoundedHead, log_config=None, lifespan="off"))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        yield listener.getsockname()[1]
        server.should_exit = True
        thread.join()


@pytest.mark.parametrize(
    "said", [b"", b"POST / HTTP/1.1\r\nHost: x\r\n", b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc"]
)
def test_a_client_that_falls_silent_is_hung_up_on(port: int, said: bytes) -> None:
    """Before its request, in the head, and in the body."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(said)
        with contextlib.suppress(ConnectionResetError):
            assert client.recv(1) == b""


def test_a_client_that_has_said_all_is_waited_for(port: int) -> None:
    """However long the answer takes; and the next request on the connection is heard as well."""
    request = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        for _ in range(2):
            client.sendall(request)
            received = b""
            while not received.endswith(b"3 bytes"):
                piece = client.recv(4096)
                assert piece, received
                received += piece
