"""The ping on the scoring port, by which a server is known again."""

from __future__ import annotations

import json
from collections.abc import Mapping

from local.proof import proof
from local.routing.scoring_reply import ScoringReply


class Ping:
    """Answers a ping: who this server is, and the proof that it has the token."""

    def __init__(self, identity: Mapping[str, str], token: str) -> None:
        self._identity = dict(identity)
        self._token = token

    def __call__(self, query: bytes) -> ScoringReply:
        """Answer with the proof of the nonce that is the query."""
        nonce = query.decode("latin-1")[:200]
        body = json.dumps(self._identity | {"proof": proof(self._token, nonce)}).encode()
        return ScoringReply(200, [(b"content-type", b"application/json")], body)
