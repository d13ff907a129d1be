"""What the router knows of an endpoint: who may call it, and where its requests go."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from local.routing.traffic import Split


@dataclass(frozen=True)
class EndpointRoute:
    """An endpoint as it is set: `check`, if given, says which tokens are valid beside the keys."""

    name: str
    keys: tuple[str, ...] = ()
    traffic: Mapping[str, int] = field(default_factory=dict)
    mirror: Mapping[str, int] = field(default_factory=dict)
    check: Callable[[str], bool] | None = None


class Route:
    """An endpoint route made ready for requests."""

    def __init__(self, route: EndpointRoute) -> None:
        self.name = route.name
        self.traffic = Split(route.traffic)
        self.mirror = next(((name, share / 100) for name, share in route.mirror.items() if share), None)
        self._keys = tuple(key.encode() for key in route.keys if key)
        self._check = route.check

    def admits(self, authorization: bytes) -> bool:
        """Say whether an Authorization header is valid; how long it takes does not tell how much of a key was right."""
        scheme, _, token = authorization.partition(b" ")
        token = token.strip()
        if scheme.lower() != b"bearer" or not token:
            return False
        matches = [hmac.compare_digest(token, key) for key in self._keys]
        if any(matches):
            return True
        return self._check is not None and self._check(token.decode("latin-1"))


@dataclass(frozen=True)
class Fault:
    """What a share (0 to 1) of a deployment's requests suffers: a delay, then a status of its container."""

    share: float
    status: int | None
    delay_ms: float
