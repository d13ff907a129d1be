"""Bounds on how a request arrives: uvicorn has none on a head's size, nor on how long a stranger may take to send."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

LIMIT_BYTES = 64 << 10
SILENT_SECONDS = 60.0


class BoundedHead(HttpToolsProtocol):
    """uvicorn's protocol, which hangs up on a head that has not ended after `LIMIT_BYTES`.

    It hangs up as well on a client that is silent for `SILENT_SECONDS` before its request has arrived whole.
    """

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._in_head = True
        self._head_bytes = 0
        self._arriving = True
        self._heard = 0.0
        self._look_again: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._heard = self.loop.time()
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._look_again is not None:
            self._look_again.cancel()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        self._arriving = self._in_head = True
        self._head_bytes = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._arriving = False
        super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        self._heard = self.loop.time()
        super().data_received(data)
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > LIMIT_BYTES and not self.transport.is_closing():
                self.send_400_response("The head of the request is too large.")

    def _look(self) -> None:
        silent = self.loop.time() - self._heard
        # While reading is paused it is us who do not listen.
        if self._arriving and not self.flow.read_paused and silent >= SILENT_SECONDS:
            self.transport.abort()
        else:
            wait = SILENT_SECONDS - silent if silent < SILENT_SECONDS else SILENT_SECONDS
            self._look_again = self.loop.call_later(wait, self._look)
