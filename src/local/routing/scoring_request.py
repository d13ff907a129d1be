"""A scoring request as it comes in: its head, and the part of it that the container gets."""

from __future__ import annotations

import re
import time
import uuid
from dataclasses import dataclass, field
from itertools import count
from urllib.parse import unquote

import httptools

PIN = b"azureml-model-deployment"
CLIENT_REQUEST_ID = b"x-ms-client-request-id"

# A request's identifier is a UUID: what it starts with is random, once for this process, and its last part counts. A
# random one for each request would take 5 % of the router's processor time.
_ID_START = str(uuid.uuid4())[:-12].encode()
_NUMBERS = count(1)
_CLIENT_REQUEST_ID_FORM = re.compile(rb"[-_a-zA-Z0-9]{1,40}")
# Not passed on to the container: what belongs to one hop, what the router sets itself, and the caller's key.
_NOT_FORWARDED = frozenset(
    b"host connection keep-alive proxy-connection proxy-authorization te trailer transfer-encoding upgrade "
    b"expect content-length x-request-id x-ms-request-id x-ms-client-request-id authorization".split()
)


@dataclass(slots=True)
class ScoringRequest:
    """What the head of a request says."""

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
    expects: bool = False
    started: float = field(default_factory=time.perf_counter)

    @classmethod
    def of(cls, method: str, target: bytes, headers: list[tuple[bytes, bytes]]) -> ScoringRequest:
        """Read the target and the headers (names in lower case).

        Raises:
            HttpParserInvalidURLError: the target is not an address.
        """
        url = httptools.parse_url(target)
        path = url.path.decode("ascii") if url.path else "/"
        endpoint, _, operation = (unquote(path) if "%" in path else path).lstrip("/").partition("/")
        forwarded: list[tuple[bytes, bytes]] = []
        request = cls(method, endpoint, operation, url.query or b"", _ID_START + b"%012x" % next(_NUMBERS), forwarded)
        for header in headers:
            name, value = header
            if name not in _NOT_FORWARDED:
                forwarded.append(header)
                if name == PIN:
                    request.pin = value.decode("latin-1")
            elif name == b"authorization":
                request.authorization = value
            elif name == b"content-length":
                request.length = int(value) if value.isdigit() else 0
            elif name == b"expect":
                request.expects = value.lower() == b"100-continue"
            elif name == CLIENT_REQUEST_ID and _CLIENT_REQUEST_ID_FORM.fullmatch(value):
                request.client_request_id = value
        return request

    def to_bytes(self, body: bytes) -> bytes:
        """Return the request as the container gets it."""
        headers = [(b"x-request-id", self.request_id), *self.forwarded]
        if self.client_request_id:
            headers.append((CLIENT_REQUEST_ID, self.client_request_id))
        target = "/" + self.operation + (f"?{self.query.decode('latin-1')}" if self.query else "")
        return request_bytes(self.method, target, headers, body)


def request_bytes(method: str, target: str, headers: list[tuple[bytes, bytes]], body: bytes) -> bytes:
    """Return a request that asks for the connection to be closed after its answer.

    `headers` must hold neither Host, Connection, Content-Length nor Transfer-Encoding.
    """
    head = [f"{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n".encode("latin-1")]
    for name, value in headers:
        head += (name, b": ", value, b"\r\n")
    head.append(b"Content-Length: %d\r\n\r\n" % len(body))
    head.append(body)
    return b"".join(head)
