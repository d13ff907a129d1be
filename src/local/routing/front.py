"""The scoring port: it takes each client's connection, and ends in order."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Mapping
from email.utils import formatdate

from local.routing.calls import Call
from local.routing.client_connection import ClientConnection
from local.routing.replies import Reply
from local.routing.router import Router

_READ_BYTES = 64 << 10

Pages = Mapping[tuple[str, str], Callable[[bytes], Reply]]
"""What is answered beside the router: by the two parts of its path, from its query."""


class Front:
    """Serves a router on a listening socket."""

    def __init__(self, router: Router, pages: Pages | None = None) -> None:
        self.router = router
        self.ending = False
        self.connections: set[ClientConnection] = set()
        self.buffer = memoryview(bytearray(_READ_BYTES))
        self._pages = dict(pages or {})
        self._server: asyncio.Server | None = None
        self._empty = asyncio.Event()
        self._second = 0
        self._date = b""

    async def open(self, listener: socket.socket, backlog: int) -> None:
        """Begin to serve."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: ClientConnection(self), sock=listener, backlog=backlog)

    async def close(self, grace: float) -> None:
        """Take no more clients, let go of those that wait for nothing, and give the others `grace` seconds."""
        self.ending = True
        if self._server is not None:
            self._server.close()
        for connection in tuple(self.connections):
            connection.finish()
        try:
            async with asyncio.timeout(grace):
                while self.connections:
                    self._empty.clear()
                    await self._empty.wait()
        except TimeoutError:
            for connection in tuple(self.connections):
                connection.abort()

    def left(self, connection: ClientConnection) -> None:
        """Forget a client that has left."""
        self.connections.discard(connection)
        self._empty.set()

    def judge(self, call: Call) -> Reply | None:
        """Answer a call by its head alone, or let it pass."""
        page = self._pages.get((call.endpoint, call.operation))
        return page(call.query) if page is not None else self.router.refuse(call)

    def date(self) -> bytes:
        """Spell the time of an answer."""
        now = int(time.time())
        if now != self._second:
            self._second = now
            self._date = formatdate(now, usegmt=True).encode()
        return self._date
