"""The ping on the scoring port, by which a server is known again."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping

from local.routing.replies import Reply

PATH = ("_local", "ping")


def proof(token: str, nonce: str) -> str:
    """Return what shows, without showing the token, that one knows it."""
    return hmac.new(token.encode(), f"ping\n{nonce}".encode(), hashlib.sha256).hexdigest()


class Ping:
    """Answers a ping: who this server is, and the proof that it has the token."""

    def __init__(self, identity: Mapping[str, str], token: str) -> None:
        self._identity = dict(identity)
        self._token = token

    def __call__(self, query: bytes) -> Reply:
        """Answer with the proof of the nonce that is the query."""
        nonce = query.decode("latin-1")[:200]
        body = json.dumps(self._identity | {"proof": proof(self._token, nonce)}).encode()
        return Reply(200, [(b"content-type", b"application/json")], body)
