"""One HTTP request and its answer, over one connection of its own.

No connection is kept for a second request. Gunicorn's sync worker, on which the inference server runs, closes
after each answer anyhow, and a connection made ahead of its request would hold that worker in a blocking
read. So there is nothing to pool, an answer cannot be taken for another request's, and no request is lost to
a stale connection. A connect to a Unix socket or to loopback costs some 20 µs.

The exchange works on a plain non-blocking socket: an asyncio transport and its protocol would double its
cost.
"""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass

import httptools

from local.errors import LocalError

Address = str | tuple[str, int]
"""A Unix socket's path, or host and port."""

_CHUNK = 256 * 1024


class ExchangeFailed(LocalError):
    """No whole answer came. `sent`: the server may have seen the request; `begun`: it began to answer."""

    def __init__(self, message: str, *, sent: bool, begun: bool = False) -> None:
        super().__init__(message)
        self.sent = sent
        self.begun = begun


class AnswerTooLarge(ExchangeFailed):
    """The answer's body is over the limit."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer; header names are as the server spelled them."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


class Exchange:
    """Sends `request` (head and body, whose head must say Connection: close) and collects the answer.

    `outcome` becomes an Answer or an ExchangeFailed. The caller must end with `close`, which is safe at any
    time and lets go of the connection at once.
    """

    __slots__ = (
        "_body",
        "_descriptor",
        "_framed",
        "_headers",
        "_limit",
        "_loop",
        "_parser",
        "_reading",
        "_rest",
        "_size",
        "_socket",
        "_status",
        "_writing",
        "outcome",
    )

    def __init__(self, address: Address, request: bytes, limit: int) -> None:
        self._loop = asyncio.get_running_loop()
        self.outcome: asyncio.Future[Answer] = self._loop.create_future()
        self._limit = limit
        self._rest: memoryview | bytes = request
        self._headers: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []
        self._size = 0
        self._status = 0
        self._framed = False
        self._reading = False
        self._writing = False
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)
        self._socket = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
        self._socket.setblocking(False)
        # By number: for each socket it does not know yet, the selector would spell out the object.
        self._descriptor = self._socket.fileno()
        self._connect(address)

    def close(self) -> None:
        """Let go of the connection; an outcome that has not come is cancelled."""
        if self._reading:
            self._loop.remove_reader(self._descriptor)
            self._reading = False
        self._stop_writing()
        self._socket.close()
        # The parser holds its exchange: without this, memory would wait for the cycle collector.
        self._parser = None
        if not self.outcome.cancel() and not self.outcome.cancelled():
            self.outcome.exception()

    def fail(self, error: ExchangeFailed | None = None) -> None:
        """End the exchange before its answer: with `error`, or because its server has gone."""
        if error is None:
            self._fail("the server has gone")
        else:
            self._settle(error)

    def _connect(self, address: Address) -> None:
        try:
            self._socket.connect(address)
        except BlockingIOError:
            if isinstance(address, str):
                # A Unix socket connects at once or says that its backlog is full.
                self._fail("its queue of connections is full", sent=False)
            else:
                self._start_writing(self._connected)
        except OSError as error:
            self._fail(f"cannot connect: {error.strerror or error}", sent=False)
        else:
            self._send()

    def _connected(self) -> None:
        self._stop_writing()
        error = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            self._fail(f"cannot connect: error {error}", sent=False)
        else:
            self._send()

    def _send(self) -> None:
        try:
            sent = self._socket.send(self._rest)
        except BlockingIOError:
            sent = 0
        except OSError:
            # The server may have answered and closed without reading on: look for that answer first.
            sent = len(self._rest)
        if not self._reading:
            self._reading = True
            self._loop.add_reader(self._descriptor, self._receive)
        if sent < len(self._rest):
            self._rest = memoryview(self._rest)[sent:]
            if not self._writing:
                self._start_writing(self._send)
        else:
            self._rest = b""
            self._stop_writing()

    def _receive(self) -> None:
        try:
            data = self._socket.recv(_CHUNK)
        except BlockingIOError:
            return
        except OSError as error:
            self._fail(f"the connection broke: {error.strerror or error}")
            return
        if not data:
            if self._status and not self._framed:
                self._complete()
            else:
                self._fail("the connection was closed before the answer was whole")
            return
        if self._parser is None or self.outcome.done():
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(f"the answer is not HTTP: {error}", begun=True)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header from the parser."""
        self._headers.append((name, value))
        if not self._framed and name.lower() in (b"content-length", b"transfer-encoding"):
            self._framed = True

    def on_headers_complete(self) -> None:
        """Take the status, and forget interim (1xx) answers."""
        status = self._parser.get_status_code() if self._parser else 0
        if status >= 200:
            self._status = status
        else:
            self._headers = []
            self._framed = False

    def on_body(self, data: bytes) -> None:
        """Take a piece of the body from the parser."""
        self._size += len(data)
        if self._size > self._limit:
            self._settle(AnswerTooLarge(f"the answer is over {self._limit} bytes", sent=True, begun=True))
        else:
            self._body.append(data)

    def on_message_complete(self) -> None:
        """Finish, unless the message was an interim one."""
        if self._status:
            self._complete()

    def _complete(self) -> None:
        if not self.outcome.done():
            self.outcome.set_result(Answer(self._status, self._headers, b"".join(self._body)))

    def _fail(self, message: str, *, sent: bool = True, begun: bool | None = None) -> None:
        self._settle(ExchangeFailed(message, sent=sent, begun=bool(self._status) if begun is None else begun))

    def _settle(self, error: ExchangeFailed) -> None:
        if not self.outcome.done():
            self.outcome.set_exception(error)
        if self._reading:
            self._loop.remove_reader(self._descriptor)
            self._reading = False
        self._stop_writing()

    def _start_writing(self, callback: object) -> None:
        self._writing = True
        self._loop.add_writer(self._descriptor, callback)  # type: ignore[arg-type]

    def _stop_writing(self) -> None:
        if self._writing:
            self._loop.remove_writer(self._descriptor)
            self._writing = False


def request_bytes(method: str, target: str, headers: list[tuple[bytes, bytes]], body: bytes) -> bytes:
    """Spell a request that asks for the connection to be closed after its answer.

    `headers` must hold neither Host, Connection, Content-Length nor Transfer-Encoding.
    """
    head = [f"{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n".encode("ascii")]
    head.extend(b"%b: %b\r\n" % header for header in headers)
    head.append(b"Content-Length: %d\r\n\r\n" % len(body))
    head.append(body)
    return b"".join(head)


async def ask(address: Address, target: str, timeout: float) -> Answer:
    """GET `target` and give the answer; raise ExchangeFailed, or TimeoutError after `timeout` seconds."""
    exchange = Exchange(address, request_bytes("GET", target, [], b""), _CHUNK)
    try:
        async with asyncio.timeout(timeout):
            return await exchange.outcome
    finally:
        exchange.close()
