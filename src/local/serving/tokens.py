"""Scoring tokens: good for one endpoint and for twelve hours, and kept nowhere."""

from __future__ import annotations

import hmac
from collections.abc import Callable

from local.wire.call import Json
from local.wire.guard import Guard

TOKEN_SECONDS = 12 * 3600
_DIGITS = 12


class Tokens:
    """Makes tokens, each an end and a signature of it, and knows them again."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    def make(self, endpoint: str) -> Json:
        until = int(self._guard.clock()) + TOKEN_SECONDS
        return {
            "accessToken": f"{until}.{self._signature(endpoint, until)}",
            "tokenType": "Bearer",
            "expiryTimeUtc": until,
            "refreshAfterTimeUtc": until - TOKEN_SECONDS // 2,
        }

    def check(self, endpoint: str, sign_in: bool) -> Callable[[str], bool]:
        """Return what tells a token of the endpoint from any other.

        With `sign_in` the caller's own sign-in opens the endpoint too; here that is the workspace's token.
        """

        def check(token: str) -> bool:
            if sign_in and self._guard.is_token(token):
                return True
            until, _, signature = token.partition(".")
            # An end of thousands of digits would be an error to read, not a number.
            if (
                not until.isdecimal()
                or len(until) > _DIGITS
                or not 0 <= int(until) - int(self._guard.clock()) <= TOKEN_SECONDS
            ):
                return False
            return hmac.compare_digest(signature.encode(), self._signature(endpoint, int(until)).encode())

        return check

    def _signature(self, endpoint: str, until: int) -> str:
        return self._guard.derive("endpoint token", endpoint, str(until))
