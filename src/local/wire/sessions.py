"""Who may look at the studio: links that sign one browser in, once, and the sessions that they open.

A browser sends a cookie of 127.0.0.1 to every port there, so a server of somebody else's may see it. A session
therefore has two halves: a cookie, which no script reads, and a key, which the page keeps in the storage of its own
origin and sends as a header. Neither opens anything without the other. The store keeps a digest of both, so that a page
goes on by itself when the workspace was restarted, and nobody who reads the store can open a session.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from local.storage.store import Store

LINK_SECONDS = 300.0
MOST_LINKS = 20
MOST_SESSIONS = 50
SESSION_LASTS = timedelta(days=7)
_KIND, _OPEN = "sessions", "open"


@dataclass(frozen=True)
class Session:
    """One signed-in browser: what its cookie says, and what its page says."""

    cookie: str
    key: str

    @property
    def digest(self) -> str:
        return sha256(f"{self.cookie} {self.key}".encode()).hexdigest()


class Sessions:
    """The links that wait to be used, and the sessions that are open."""

    def __init__(self, store: Store, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin without links, and with the sessions that the store has."""
        self._store = store
        self._clock = clock
        self._links: dict[str, float] = {}

    def link(self) -> str:
        """Return a secret that opens one session within `LINK_SECONDS`; the oldest go when there are too many."""
        secret = secrets.token_urlsafe(32)
        self._links[secret] = self._clock() + LINK_SECONDS
        while len(self._links) > MOST_LINKS:
            del self._links[next(iter(self._links))]
        return secret

    def open(self, secret: str) -> Session | None:
        """Use a link up, and return the session that it opens; None for a wrong, used or old one."""
        until = self._links.pop(secret, 0.0)
        if until < self._clock() or not secret:
            return None
        session = Session(secrets.token_urlsafe(32), secrets.token_urlsafe(32))
        self._store.put(_KIND, session.digest, {}, mark=_OPEN)
        self._store.prune(_KIND, _OPEN, MOST_SESSIONS)
        return session

    def find(self, cookie: str, key: str) -> Session | None:
        """Return the session of a cookie and its key, while it lasts. Secrets are compared by their digest alone."""
        session = Session(cookie, key)
        kept = self._store.get(_KIND, session.digest)
        lasts = kept is not None and datetime.now(UTC) - datetime.fromisoformat(kept.created) < SESSION_LASTS
        return session if lasts else None

    def close(self, session: Session) -> None:
        """End a session."""
        self._store.delete(_KIND, session.digest)
