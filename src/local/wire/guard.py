"""Who may call: the workspace's token for the control plane, a signature for blobs, and nothing cross-site."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from urllib.parse import urlencode

from local.errors import Forbidden, Unauthorized
from local.wire.clock import SteadyClock

SAS_SECONDS = 24 * 3600
_SAS_VERSION = "2021-06-08"
_SAS_TIME = "%Y-%m-%dT%H:%M:%SZ"
_WRITES = frozenset({"PUT", "DELETE", "POST", "PATCH"})


class Guard:
    """Checks calls against one secret, from which tokens of narrower use are derived."""

    def __init__(self, token: str, hosts: frozenset[str], clock: Callable[[], float] | None = None) -> None:
        """Take the workspace's token, the Host values (with port) that are ours, and what tells epoch seconds.

        Raises:
            ValueError: the token is empty, which a call without one would have too.
        """
        if not token.strip():
            raise ValueError("The workspace's token is empty: everybody would have it")
        self.clock = clock or SteadyClock()
        self._token = token.encode()
        self._hosts = hosts

    def derive(self, *purpose: str) -> str:
        """Return a secret for one purpose, from which the workspace's token cannot be found."""
        # As a list, so that no two purposes give the same text, whatever is in a name.
        return hmac.new(self._token, json.dumps(purpose).encode(), hashlib.sha256).hexdigest()

    def check_origin(self, headers: Mapping[str, str]) -> None:
        """Refuse a rebound name in Host, and any call that a web page of another origin makes."""
        if headers.get("host", "").lower() not in self._hosts:
            raise Forbidden("The Host header is not one of this workspace's")
        origin = headers.get("origin")
        if origin is not None and origin.split("://")[-1].lower() not in self._hosts:
            raise Forbidden("The local workspace answers no call of another origin")
        if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            raise Forbidden("The local workspace answers no cross-site call")

    def is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), self._token)

    def check_token(self, headers: Mapping[str, str]) -> None:
        if not self.is_token(bearer(headers)):
            raise Unauthorized("The access token is missing or wrong: it stands in the workspace's token file")

    def sas(self, container: str, name: str = "", permissions: str = "racwdl") -> str:
        """Return a signed query for a container, or for one blob of it, good for a day."""
        expiry = datetime.fromtimestamp(self.clock() + SAS_SECONDS, UTC).strftime(_SAS_TIME)
        resource = "b" if name else "c"
        signature = self._sign(resource, container, name, expiry, permissions)
        return urlencode({"sv": _SAS_VERSION, "sr": resource, "se": expiry, "sp": permissions, "sig": signature})

    def check_sas(self, method: str, container: str, name: str, query: Mapping[str, str]) -> None:
        resource, expiry, permissions = (query.get(key, "") for key in ("sr", "se", "sp"))
        signed = name if resource == "b" else ""
        expected = self._sign(resource, container, signed, expiry, permissions)
        if not hmac.compare_digest(query.get("sig", "").encode(), expected.encode()):
            raise Forbidden("The blob signature is missing or wrong", code="AuthenticationFailed")
        try:
            until = datetime.strptime(expiry, _SAS_TIME).replace(tzinfo=UTC).timestamp()
        except ValueError as error:
            raise Forbidden("The blob signature has no expiry", code="AuthenticationFailed") from error
        # None ends later than a day from now but one of a clock that was set back since; it would not end for long.
        if not 0 <= until - int(self.clock()) <= SAS_SECONDS:
            raise Forbidden("The blob signature has expired", code="AuthenticationFailed")
        if method in _WRITES and "w" not in permissions:
            raise Forbidden("The blob signature allows reading only", code="AuthorizationPermissionMismatch")

    def _sign(self, *parts: str) -> str:
        return self.derive("sas", *parts)


def bearer(headers: Mapping[str, str]) -> str:
    """Return the bearer token of a call, or ""."""
    scheme, _, given = headers.get("authorization", "").partition(" ")
    return given.strip() if scheme.lower() == "bearer" else ""
