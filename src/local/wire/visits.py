"""Who may look at the studio: links that sign one browser in, once, and the visits that they open.

A browser sends a cookie of 127.0.0.1 to every port there, so a server of somebody else's may see it. A visit therefore
has two halves: a cookie, which no script reads, and a key, which the page keeps in the storage of its own origin and
sends as a header. Neither opens anything without the other. Both end with the server.
"""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

LINK_SECONDS = 300.0
MOST_LINKS = 20
MOST_VISITS = 50


@dataclass(frozen=True)
class Visit:
    """One signed-in browser: what its cookie says, and what its page says."""

    cookie: str
    key: str


class Visits:
    """The links that wait to be used, and the visits that are open."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin without any."""
        self._clock = clock
        self._links: dict[str, float] = {}
        self._visits: dict[str, Visit] = {}

    def link(self) -> str:
        """Return a secret that opens one visit within `LINK_SECONDS`; the oldest go when there are too many."""
        secret = secrets.token_urlsafe(32)
        self._links[secret] = self._clock() + LINK_SECONDS
        while len(self._links) > MOST_LINKS:
            del self._links[next(iter(self._links))]
        return secret

    def open(self, secret: str) -> Visit | None:
        """Use a link up, and return the visit that it opens; None for a wrong, used or old one."""
        until = self._links.pop(secret, 0.0)
        if until < self._clock() or not secret:
            return None
        visit = Visit(secrets.token_urlsafe(32), secrets.token_urlsafe(32))
        self._visits[visit.cookie] = visit
        while len(self._visits) > MOST_VISITS:
            del self._visits[next(iter(self._visits))]
        return visit

    def find(self, cookie: str, key: str) -> Visit | None:
        """Return the visit of a cookie, when the key is its own."""
        visit = self._visits.get(cookie)
        return visit if visit is not None and hmac.compare_digest(visit.key.encode(), key.encode()) else None

    def close(self, visit: Visit) -> None:
        """End a visit."""
        self._visits.pop(visit.cookie, None)
