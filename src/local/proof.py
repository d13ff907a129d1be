"""How a server proves to a caller that it has the token, without revealing it."""

from __future__ import annotations

import hashlib
import hmac

PATH = ("_local", "ping")
"""Where on the scoring port the proof is asked for, with a nonce as the query."""


def proof(token: str, nonce: str) -> str:
    """Return the answer to a nonce, which only a holder of the token can compute."""
    return hmac.new(token.encode(), f"ping\n{nonce}".encode(), hashlib.sha256).hexdigest()
