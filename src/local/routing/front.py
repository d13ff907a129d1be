"""The scoring port: it takes each client's connection, and ends in order."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Mapping
from email.utils import formatdate

from local.routing.client_connection import ClientConnection
from local.routing.router import Router
from local.routing.scoring_reply import ScoringReply
from local.routing.scoring_request import ScoringRequest

_READ_BYTES = 64 << 10

Pages = Mapping[tuple[str, str], Callable[[bytes], ScoringReply]]
"""What is answered without the router: by the two parts of a path, a function of the query."""


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

    def check(self, request: ScoringRequest) -> ScoringReply | None:
        """Return the answer to a request that its head alone decides, or None to let it pass."""
        page = self._pages.get((request.endpoint, request.operation))
        return page(request.query) if page is not None else self.router.check(request)

    def date(self) -> bytes:
        """Return the present time as a Date header has it."""
        now = int(time.time())
        if now != self._second:
            self._second = now
            self._date = formatdate(now, usegmt=True).encode()
        return self._date
