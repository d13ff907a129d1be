"""How a server shows a caller that it is the one who has the token, and says nothing that tells the token."""

from __future__ import annotations

import hashlib
import hmac

PATH = ("_local", "ping")
"""Where on the scoring port it is asked, with a nonce as the query."""


def proof(token: str, nonce: str) -> str:
    """Return what only those can who have the token."""
    return hmac.new(token.encode(), f"ping\n{nonce}".encode(), hashlib.sha256).hexdigest()
