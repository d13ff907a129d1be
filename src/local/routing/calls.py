"""A scoring request as it comes in: its head, its body, and what of it the container gets."""

from __future__ import annotations

import asyncio
import re
import uuid
from dataclasses import dataclass

from starlette.types import Receive, Scope

from local.routing.exchange import request_bytes
from local.routing.forward import ClientLeft
from local.routing.replies import PAYLOAD_LIMIT, Reply, refusal, too_large

PIN = b"azureml-model-deployment"
CLIENT_REQUEST_ID = b"x-ms-client-request-id"

_CLIENT_REQUEST_ID_FORM = re.compile(rb"[-_a-zA-Z0-9]{1,40}")
_BODY_SECONDS = 60.0
# Not passed on to the container: what belongs to one hop, what the router sets itself, and the caller's key.
_NOT_FORWARDED = frozenset(
    b"host connection keep-alive proxy-connection proxy-authorization te trailer transfer-encoding upgrade "
    b"expect content-length x-request-id x-ms-request-id x-ms-client-request-id authorization".split()
)


@dataclass(slots=True)
class Call:
    """A request as far as its headers tell."""

    method: str
    endpoint: str
    operation: str
    query: bytes
    request_id: bytes
    forwarded: list[tuple[bytes, bytes]]
    authorization: bytes = b""
    pin: str | None = None
    client_request_id: bytes = b""
    length: int = 0

    @classmethod
    def of(cls, scope: Scope) -> Call:
        """Read the address and the headers of an ASGI scope."""
        path: str = scope["path"]
        endpoint, _, operation = path[len(scope.get("root_path", "")) :].lstrip("/").partition("/")
        forwarded: list[tuple[bytes, bytes]] = []
        request_id = str(uuid.uuid4()).encode()
        call = cls(scope["method"], endpoint, operation, scope["query_string"], request_id, forwarded)
        for header in scope["headers"]:
            name, value = header
            if name not in _NOT_FORWARDED:
                forwarded.append(header)
                if name == PIN:
                    call.pin = value.decode("latin-1")
            elif name == b"authorization":
                call.authorization = value
            elif name == b"content-length":
                call.length = int(value) if value.isdigit() else 0
            elif name == CLIENT_REQUEST_ID and _CLIENT_REQUEST_ID_FORM.fullmatch(value):
                call.client_request_id = value
        return call

    async def read_body(self, receive: Receive) -> bytes | Reply:
        """Read the whole body, or give the refusal of it. Raises ClientLeft."""
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientLeft("the client left before its request was whole", sent=False)
        body: bytes = message.get("body", b"")
        if not message.get("more_body", False):
            return body if len(body) <= PAYLOAD_LIMIT else too_large()
        pieces = [body]
        size = len(body)
        try:
            async with asyncio.timeout(_BODY_SECONDS):
                while message.get("more_body", False):
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise ClientLeft("the client left before its request was whole", sent=False)
                    pieces.append(message.get("body", b""))
                    size += len(pieces[-1])
                    if size > PAYLOAD_LIMIT:
                        return too_large()
        except TimeoutError:
            reply = refusal(408, "RequestTimeout", f"The request was not whole after {_BODY_SECONDS:.0f} s.")
            reply.headers.append((b"connection", b"close"))
            return reply
        return b"".join(pieces)

    def request(self, body: bytes) -> bytes:
        """Spell the request for the container."""
        headers = [(b"x-request-id", self.request_id), *self.forwarded]
        if self.client_request_id:
            headers.append((CLIENT_REQUEST_ID, self.client_request_id))
        target = "/" + self.operation + (f"?{self.query.decode('ascii')}" if self.query else "")
        return request_bytes(self.method, target, headers, body)
