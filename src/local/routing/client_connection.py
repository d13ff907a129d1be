"""The scoring front's own HTTP: one connection of a client, its requests in, its answers out, in their order.

A protocol of our own on httptools: an application behind uvicorn costs a task, an event and a dictionary or two for
each request, and two writes for each answer, which is more than all the rest that the router does.

What a client may do is bounded: a head of 64 KiB, a body of 1.5 MB (and not eight times that in chunks and trailers),
60 s for a request to arrive whole, 75 s of silence between two. Requests may come before the earlier ones are
answered; they wait, the connection is read no further meanwhile, and none begins while the client does not take its
answers. A client that closes its side has left, and what is done for it ends: a half-closed connection cannot be told
from a closed one.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, cast

import httptools

from local.routing.exchange import HEAD_LIMIT
from local.routing.scoring_reply import PAYLOAD_LIMIT, ScoringReply, refusal, too_large
from local.routing.scoring_request import ScoringRequest

if TYPE_CHECKING:
    from local.routing.forward import Forwarding
    from local.routing.front import Front

ARRIVAL_SECONDS = 60.0
IDLE_SECONDS = 75.0
_MESSAGE_LIMIT = HEAD_LIMIT + 8 * PAYLOAD_LIMIT
_LINGER_SECONDS = 2.0
_LINGER_BYTES = 4 << 20
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class IncomingRequest:
    """A request as far as it has arrived; one that is refused early has its `reply` before it is whole."""

    __slots__ = ("bodiless", "body", "checked", "head", "keep", "reply", "size", "whole")

    def __init__(self) -> None:
        self.head: ScoringRequest | None = None
        self.reply: ScoringReply | None = None
        self.body: list[bytes] = []
        self.size = 0
        self.checked = False
        self.whole = False
        self.keep = True
        self.bodiless = False

    def refuse(self, reply: ScoringReply) -> None:
        """Answer with this, and read no more of the request."""
        self.reply = self.reply or reply
        self.keep = False


class ClientConnection(asyncio.BufferedProtocol):
    """One client's connection."""

    def __init__(self, front: Front) -> None:
        self._front = front
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._target = b""
        self._headers: list[tuple[bytes, bytes]] = []
        # Of the message that is being read, the bytes after those it began in.
        self._raw = 0
        self._deaf = False
        # The first one is being answered; the last one may still be coming in.
        self._requests: deque[IncomingRequest] = deque()
        self._answering = False
        self._forwarding: Forwarding | None = None
        self._stalled = False
        self._paused = False
        self._since = self._loop.time()
        self._idle = self._loop.call_later(IDLE_SECONDS, self._look)
        self._slow: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Register the connection with the front."""
        self._transport = cast(asyncio.Transport, transport)
        self._front.connections.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        """Give up what is under way for the client, who has left."""
        self._front.left(self)
        self._idle.cancel()
        if self._slow is not None:
            self._slow.cancel()
        if self._forwarding is not None:
            self._forwarding.cancel()
        self._requests.clear()
        # It holds this connection: without this, memory would wait for the cycle collector.
        del self._parser

    def finish(self) -> None:
        """Close the connection once the requests that it has are answered."""
        if not self._requests:
            self._transport.close()

    def abort(self) -> None:
        """Close the connection now."""
        self._transport.abort()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return the buffer to read into: all connections share one, since what is in it is parsed at once."""
        return self._front.buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Parse what has arrived, and answer what can be answered."""
        requests = self._requests
        self._raw += nbytes
        if not self._deaf:
            try:
                self._parser.feed_data(self._front.buffer[:nbytes])
            except httptools.HttpParserUpgrade:
                self._deaf = True
            except httptools.HttpParserError as error:
                self._deaf = True
                self._last().refuse(refusal(400, "BadRequest", f"This is not HTTP as it should be: {error}."))
        elif self._raw > _LINGER_BYTES:
            self.abort()
            return
        if requests and not requests[-1].whole:
            self._check_size(requests[-1])
        self._advance()
        if len(requests) > 1 and not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._target = b""
        self._headers = []
        self._raw = 0
        self._requests.append(IncomingRequest())

    def on_url(self, url: bytes) -> None:
        """Take a piece of the target."""
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; trailers are not looked at."""
        if self._requests[-1].head is None:
            self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Read the head, which is whole."""
        request, parser = self._requests[-1], self._parser
        method = parser.get_method().decode("ascii")
        request.bodiless = method == "HEAD"
        request.keep = parser.should_keep_alive() and parser.get_http_version() != "1.0"
        request.head = ScoringRequest.of(method, self._target, self._headers)
        if parser.should_upgrade():
            # The parser takes what follows for another protocol's, and a body with it.
            request.refuse(refusal(400, "UpgradeRefused", "This address speaks HTTP/1.1 only."))

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        request = self._requests[-1]
        request.size += len(body)
        if request.reply is None:
            request.body.append(body)

    def on_message_complete(self) -> None:
        """Note that the request is whole."""
        request = self._requests[-1]
        request.whole = True
        if request.size > PAYLOAD_LIMIT:
            request.refuse(too_large())

    def pause_writing(self) -> None:
        """Hold back further answers: the client does not read them."""
        self._stalled = True
        self._since = self._loop.time()

    def resume_writing(self) -> None:
        """Go on: the client reads again."""
        self._stalled = False
        self._advance()

    def _last(self) -> IncomingRequest:
        if not self._requests or self._requests[-1].whole:
            self._requests.append(IncomingRequest())
        return self._requests[-1]

    def _check_size(self, request: IncomingRequest) -> None:
        if request.head is None and self._raw > HEAD_LIMIT:
            request.refuse(refusal(431, "HeadTooLarge", f"The head of the request is over {HEAD_LIMIT} bytes."))
        elif request.size > PAYLOAD_LIMIT or self._raw > _MESSAGE_LIMIT:
            request.refuse(too_large())

    def _advance(self) -> None:
        # A loop: a client may send a thousand small requests at once, and each may be answered at once.
        requests = self._requests
        while requests and not (self._answering or self._stalled or self._transport.is_closing()):
            first = requests[0]
            if first.head is not None and not first.checked and first.reply is None:
                self._check(first, first.head)
            if first.reply is not None:
                self._write(self._front.router.finish(first.head, first.reply) if first.head else first.reply)
            elif first.head is not None and first.whole:
                self._answering = True
                forwarding = self._front.router.dispatch(first.head, b"".join(first.body), self._answered)
                # One that is answered already would be kept, with its request, until the next.
                self._forwarding = forwarding if self._answering else None
            else:
                break
        self._watch_request()

    def _check(self, first: IncomingRequest, head: ScoringRequest) -> None:
        first.checked = True
        first.reply = self._front.check(head)
        if not first.whole:
            if first.reply is not None:
                first.keep = False
            elif head.expects:
                self._transport.write(_CONTINUE)

    def _answered(self, reply: ScoringReply) -> None:
        self._write(reply)
        if self._requests:
            self._loop.call_soon(self._advance)

    def _write(self, reply: ScoringReply) -> None:
        first = self._requests.popleft()
        self._answering = False
        self._forwarding = None
        self._since = self._loop.time()
        keep = first.keep and not self._front.ending
        self._transport.write(reply.to_bytes(date=self._front.date(), keep=keep, bodiless=first.bodiless))
        if not keep:
            self._hang_up(first.whole)
        elif self._paused and len(self._requests) < 2:
            self._paused = False
            self._transport.resume_reading()

    def _hang_up(self, whole: bool) -> None:
        self._requests.clear()
        if whole and not self._deaf:
            self._transport.close()
            return
        # Closed while the client still sends, the answer would be lost with what it sent.
        self._deaf = True
        self._raw = 0
        self._transport.write_eof()
        self._idle.cancel()
        self._idle = self._loop.call_later(_LINGER_SECONDS, self.abort)

    def _watch_request(self) -> None:
        waits = len(self._requests) == 1 and not self._requests[0].whole
        if waits and self._slow is None:
            self._slow = self._loop.call_later(ARRIVAL_SECONDS, self._late)
        elif not waits and self._slow is not None:
            self._slow.cancel()
            self._slow = None

    def _late(self) -> None:
        self._slow = None
        message = f"The request was not whole after {ARRIVAL_SECONDS:.0f} s."
        self._last().refuse(refusal(408, "RequestTimeout", message))
        self._advance()

    def _look(self) -> None:
        now = self._loop.time()
        due = now + IDLE_SECONDS
        if self._stalled or not self._requests:
            due = self._since + IDLE_SECONDS
            if now >= due:
                # What was not taken in all that time would hold the connection open.
                self.abort()
                return
        self._idle = self._loop.call_at(due, self._look)
