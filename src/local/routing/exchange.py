"""One HTTP request and its answer, over one connection of its own.

No connection is kept for a second request. Gunicorn's sync worker, on which the inference server runs, closes
after each answer anyhow, and a connection made ahead of its request would hold that worker in a blocking
read. It would also be ready more often for the deployment with more traffic, which then looks faster by some 0.05
to 0.1 ms, where a rollout compares the times of both. So there is nothing to pool, an answer cannot be taken for
another request's, and no request is lost to a stale connection. A connect to a Unix socket or to loopback costs
some 20 µs.

The exchange works on a plain non-blocking socket, and says by a callback how it ended: an asyncio transport and
its protocol would double its cost, and a task that waits adds two turns of the event loop.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass

import httptools

from local.errors import LocalError

Address = str | tuple[str, int]
"""A Unix socket's path, or host and port."""

HEAD_LIMIT = 64 << 10
"""The most that a request's or an answer's head may have, in bytes."""

# Under the size from which malloc asks the kernel for pages of their own, for each read.
_CHUNK = 64 * 1024
_FRAMING = (b"content-length", b"transfer-encoding")


class ExchangeFailed(LocalError):
    """No whole answer came. `sent`: the server may have seen the request; `begun`: it began to answer."""

    def __init__(self, message: str, *, sent: bool, begun: bool = False) -> None:
        super().__init__(message)
        self.sent = sent
        self.begun = begun


class AnswerTooLarge(ExchangeFailed):
    """The answer's head or body is over its limit."""


@dataclass(slots=True)
class Answer:
    """A whole answer; header names are in lower case."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


class Exchange:
    """Sends `request` (head and body, whose head must say Connection: close) and collects the answer.

    After `start`, `done` is called once with an Answer or an ExchangeFailed, when the connection is closed already.
    After `close`, which is safe at any time and lets go of the connection at once, it is not called any more.
    """

    __slots__ = (
        "_address",
        "_answer",
        "_body",
        "_descriptor",
        "_done",
        "_error",
        "_framed",
        "_headers",
        "_limit",
        "_loop",
        "_parser",
        "_raw",
        "_reading",
        "_rest",
        "_size",
        "_socket",
        "_status",
        "_writing",
    )

    def __init__(
        self, address: Address, request: bytes, limit: int, done: Callable[[Answer | ExchangeFailed], None]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._address = address
        self._rest: memoryview | bytes = request
        self._limit = limit
        self._done: Callable[[Answer | ExchangeFailed], None] | None = done
        self._headers: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []
        self._raw = 0
        self._size = 0
        self._status = 0
        self._framed = False
        self._answer: Answer | None = None
        self._error: ExchangeFailed | None = None
        self._reading = False
        self._writing = False
        self._parser: httptools.HttpResponseParser | None = None
        self._socket: socket.socket | None = None
        self._descriptor = -1

    def start(self) -> None:
        """Connect and send; `done` may be called before this returns."""
        self._parser = httptools.HttpResponseParser(self)
        try:
            self._socket = made = socket.socket(socket.AF_UNIX if isinstance(self._address, str) else socket.AF_INET)
            made.setblocking(False)
            # By number: for each socket that it does not know yet, the selector would make the object's repr.
            self._descriptor = made.fileno()
            made.connect(self._address)
        except BlockingIOError:
            if isinstance(self._address, str):
                # A Unix socket connects at once or says that its backlog is full.
                self._fail("its queue of connections is full", sent=False)
            else:
                self._start_writing(self._connected)
        except OSError as error:
            self._fail(f"cannot connect: {error.strerror or error}", sent=False)
        else:
            self._send()

    def close(self) -> None:
        """Let go of the connection."""
        self._done = None
        if self._reading:
            self._loop.remove_reader(self._descriptor)
            self._reading = False
        if self._writing:
            self._stop_writing()
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        # The parser holds its exchange: without this, memory would wait for the cycle collector.
        self._parser = None

    def fail(self) -> None:
        """End the exchange before its answer: its server has gone."""
        self._fail("the server has gone")

    def _connected(self) -> None:
        self._stop_writing()
        assert self._socket is not None
        error = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            self._fail(f"cannot connect: error {error}", sent=False)
        else:
            self._send()

    def _send(self) -> None:
        assert self._socket is not None
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
            if self._writing:
                self._stop_writing()

    def _receive(self) -> None:
        assert self._socket is not None
        assert self._parser is not None
        try:
            data = self._socket.recv(_CHUNK)
        except BlockingIOError:
            return
        except OSError as error:
            self._fail(f"the connection broke: {error.strerror or error}")
            return
        if not data:
            if self._status and not self._framed:
                self._end(Answer(self._status, self._headers, b"".join(self._body)))
            else:
                self._fail("the connection was closed before the answer was whole")
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if self._answer is None and self._error is None:
                self._fail(f"the answer is not HTTP: {error}", begun=True)
                return
        self._raw += len(data)
        if self._error is not None:
            self._end(self._error)
        elif self._answer is not None:
            self._end(self._answer)
        elif self._raw > HEAD_LIMIT + (8 * self._limit if self._status else 0):
            # The body is counted as it comes; this is for what is none: a head, chunks' sizes and trailers without end.
            self._end(AnswerTooLarge(f"the answer's head is over {HEAD_LIMIT} bytes", sent=True, begun=True))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header from the parser; trailers, and what follows the answer, are not part of it."""
        if not self._status:
            name = name.lower()
            self._headers.append((name, value))
            if name in _FRAMING:
                self._framed = True

    def on_headers_complete(self) -> None:
        """Take the status, and forget interim (1xx) answers."""
        if self._status or self._parser is None:
            return
        status = self._parser.get_status_code()
        if status >= 200:
            self._status = status
        else:
            self._headers = []
            self._framed = False

    def on_body(self, data: bytes) -> None:
        """Take a piece of the body from the parser."""
        if self._answer is None and self._error is None:
            self._body.append(data)
            self._size += len(data)
            if self._size > self._limit:
                self._error = AnswerTooLarge(f"the answer is over {self._limit} bytes", sent=True, begun=True)

    def on_message_complete(self) -> None:
        """Finish, unless the message was an interim one."""
        if self._status and self._answer is None:
            self._answer = Answer(self._status, self._headers, b"".join(self._body))

    def _fail(self, message: str, *, sent: bool = True, begun: bool | None = None) -> None:
        self._end(ExchangeFailed(message, sent=sent, begun=bool(self._status) if begun is None else begun))

    def _end(self, outcome: Answer | ExchangeFailed) -> None:
        done = self._done
        # Before the answer is passed on: the other way round, eight clients get a sixth less.
        self.close()
        if done is not None:
            done(outcome)

    def _start_writing(self, callback: Callable[[], None]) -> None:
        self._writing = True
        self._loop.add_writer(self._descriptor, callback)

    def _stop_writing(self) -> None:
        self._loop.remove_writer(self._descriptor)
        self._writing = False
