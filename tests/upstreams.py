"""What tests of the router share: upstreams that behave as told, a client that sees every byte, and a served router."""

from __future__ import annotations

import asyncio
import json
import socket
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from local.routing.backend import Backend, Limits, Upstream
from local.routing.front import Front
from local.routing.router import Router
from local.routing.routes import EndpointRoute

KEY = "a-key-of-the-test"
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Got:
    """An answer as a client sees it."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """The error's code."""
        return str(json.loads(self.body)["error"]["code"])


def ok(body: bytes, status: str = "200 OK", extra: str = "") -> bytes:
    """Spell an answer with a body."""
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{extra}\r\n".encode() + body


@dataclass
class Fake:
    """An upstream: what it was asked, and how it answers (`answer` gives the raw bytes)."""

    answer: Callable[[bytes], bytes | None] = ok
    requests: list[tuple[bytes, bytes]] = field(default_factory=list)
    hold: asyncio.Event | None = None
    began: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
            body = await reader.readexactly(length)
            self.requests.append((head, body))
            self.began.set()
            if self.hold is not None:
                await self.hold.wait()
            said = self.answer(body)
            if said is not None:
                writer.write(said)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def upstream(serve: Serve) -> AsyncIterator[str]:
    """Run an upstream on a Unix socket, as an inference server has one."""
    with tempfile.TemporaryDirectory() as folder:
        server = await asyncio.start_unix_server(serve, f"{folder}/socket", limit=4_000_000)
        try:
            yield f"{folder}/socket"
        finally:
            server.close()


@asynccontextmanager
async def front(router: Router) -> AsyncIterator[int]:
    """Serve a router, give its port, and stop it."""
    served = Front(router)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        await served.open(listener, 100)
        try:
            yield listener.getsockname()[1]
        finally:
            await served.close(1.0)
            await router.close()


async def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    """Wait for a condition, and fail if it does not come."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)


class Client:
    """A keep-alive client that speaks HTTP byte by byte, so that it sees what is really sent."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.reader: asyncio.StreamReader | None = None
        self.writer: asyncio.StreamWriter | None = None

    async def send(self, body: bytes = b"{}", path: str = "/e/score", method: str = "POST", **headers: str) -> None:
        """Send a request; header names have _ for -. A header given as "" is left out."""
        if self.writer is None:
            self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        named = {"authorization": f"Bearer {KEY}", "content-length": str(len(body))}
        named |= {name.replace("_", "-"): value for name, value in headers.items()}
        lines = "".join(f"{name}: {value}\r\n" for name, value in named.items() if value)
        self.writer.write(f"{method} {path} HTTP/1.1\r\nHost: x\r\n{lines}\r\n".encode() + body)
        await self.writer.drain()

    async def receive(self) -> Got:
        """Read one answer."""
        assert self.reader is not None
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.strip().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        assert len(headers) == len(lines), "a header stands twice"
        body = await self.reader.readexactly(int(headers["content-length"]))
        if headers.get("connection") == "close":
            self.close()
        return Got(int(first.split()[1]), headers, body)

    async def score(self, body: bytes = b"{}", **how: str) -> Got:
        """Send a request and read its answer."""
        async with asyncio.timeout(20):
            await self.send(body, **how)
            return await self.receive()

    def close(self) -> None:
        """Hang up."""
        if self.writer is not None:
            self.writer.close()
        self.reader = self.writer = None


def endpoint(traffic: Mapping[str, int], mirror: Mapping[str, int] | None = None) -> EndpointRoute:
    """Make the route of endpoint `e`."""
    return EndpointRoute("e", keys=(KEY, "second"), traffic=traffic, mirror=mirror or {})


def backend(*addresses: str, **limits: int) -> Backend:
    """Make a backend that admits enough for most tests."""
    settings: dict[str, int] = {"max_concurrent_requests_per_instance": 64} | limits
    return Backend(Limits(**settings), [Upstream(address) for address in addresses], "session-1")


def run(scenario: Coroutine[Any, Any, None]) -> None:
    """Run a scenario; it must end within a minute."""
    asyncio.run(asyncio.wait_for(scenario, 60))


@asynccontextmanager
async def one(fake: Serve, draw: Callable[[], float] | None = None, **limits: int) -> AsyncIterator[Any]:
    """Put `fake` behind deployment blue with all traffic; give router, client and backend."""
    async with upstream(fake) as address:
        router = Router(draw=draw)
        behind = backend(address, **limits)
        router.set_backend("e", "blue", behind)
        router.set_endpoint(endpoint({"blue": 100}))
        async with front(router) as port:
            client = Client(port)
            yield router, client, behind
            client.close()
