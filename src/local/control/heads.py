"""A bound on the head of a request: uvicorn's parser has none, and would keep in memory whatever a stranger sends."""

from __future__ import annotations

from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

LIMIT_BYTES = 64 << 10


class BoundedHead(HttpToolsProtocol):
    """uvicorn's protocol, which hangs up on a head that has not ended after `LIMIT_BYTES`."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._in_head = True
        self._head_bytes = 0

    def on_message_begin(self) -> None:
        self._in_head = True
        self._head_bytes = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head = False
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > LIMIT_BYTES and not self.transport.is_closing():
                self.send_400_response("The head of the request is too large.")
