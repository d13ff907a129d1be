"""What a client of the router gets: status, headers, body."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus

from local.routing.exchange import Answer

PAYLOAD_LIMIT = 1_572_864
"""The managed endpoints' limit of 1.5 MB for a request and for an answer, in bytes."""

# Hop-by-hop headers (RFC 9110, 7.6.1), and those that the front server writes itself.
_OWN_HEADERS = frozenset(
    b"connection keep-alive proxy-connection te trailer transfer-encoding upgrade content-length date "
    b"server x-request-id x-ms-request-id x-ms-client-request-id azureml-model-deployment "
    b"azureml-model-session".split()
)


@dataclass(slots=True)
class ScoringReply:
    """An answer on its way to a client. `model_status` is the container's own, None if it gave none."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes
    model_status: int | None = None

    def to_bytes(self, *, date: bytes, keep: bool, bodiless: bool) -> bytes:
        """Return the whole answer as it is sent; without `keep` it says that the connection ends.

        `bodiless` leaves out the body, as in an answer to HEAD.
        """
        lines = [_status_line(self.status), b"date: ", date, b"\r\n"]
        for name, value in self.headers:
            lines += (name, b": ", value, b"\r\n")
        if not keep:
            lines.append(b"connection: close\r\n")
        lines.append(b"content-length: %d\r\n\r\n" % len(self.body))
        if not bodiless:
            lines.append(self.body)
        return b"".join(lines)

    @classmethod
    def of(cls, answer: Answer) -> ScoringReply:
        """Pass the container's answer on: as it is if it is a 200, else as a 424 that names its status."""
        headers = [header for header in answer.headers if header[0] not in _OWN_HEADERS]
        if answer.status == 200:
            return cls(200, headers, answer.body, 200)
        headers.append((b"ms-azureml-model-error-statuscode", str(answer.status).encode()))
        headers.append((b"ms-azureml-model-error-reason", b"model_error"))
        return cls(424, headers, answer.body, answer.status)


@cache
def _status_line(status: int) -> bytes:
    return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n".encode()


def refusal(
    status: int, code: str, message: str, *, reason: str | None = None, model_status: int | None = None
) -> ScoringReply:
    """Return an error of the router's own, in the form that the SDK reads."""
    body = json.dumps({"error": {"code": code, "message": message}}).encode()
    headers = [(b"content-type", b"application/json")]
    if reason:
        headers.append((b"ms-azureml-model-error-reason", reason.encode()))
    if model_status is not None:
        headers.append((b"ms-azureml-model-error-statuscode", str(model_status).encode()))
    return ScoringReply(status, headers, body, model_status)


def too_large() -> ScoringReply:
    """Return the refusal of a body over the limit; the rest of the request must not be read."""
    return refusal(413, "PayloadTooLarge", f"The request is over {PAYLOAD_LIMIT} bytes.")
