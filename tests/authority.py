"""GitHub's issuer of assertions and Entra's token endpoint, as far as a sign-in needs them."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from loopback import Asked, serve

TENANT = "11111111-1111-1111-1111-111111111111"
CLIENT = "22222222-2222-2222-2222-222222222222"
ASSERTION_SECONDS = 600
ACCESS_SECONDS = 3600
SUBJECT = "repo:owner/project:environment:production"


@dataclass
class Authority:
    """What they were asked, and how they are to fail."""

    url: str = ""
    ca: str = ""
    faults: int = 0  # so many answers of 503 before the next assertion
    federated: str = SUBJECT  # the one subject that is let in
    issued: list[str] = field(default_factory=list)
    exchanged: list[str] = field(default_factory=list)

    def answer(self, asked: Asked) -> tuple[int, Any]:
        """Answer as GitHub's issuer, as Entra's description of itself, or as its token endpoint."""
        path = urlsplit(asked.path).path
        if path == "/issuer":
            return self._issue(asked)
        if path.endswith("/.well-known/openid-configuration"):
            base = f"{self.url}/{TENANT}"
            addresses = {name: f"{base}/{name}" for name in ("authorization_endpoint", "token_endpoint")}
            return 200, {**addresses, "issuer": f"{base}/v2.0"}
        return self._exchange(asked)

    def _issue(self, asked: Asked) -> tuple[int, Any]:
        """Give an assertion that dies in ten minutes, to who has the job's token."""
        if asked.authorization != "Bearer the-jobs-own":
            return 401, {}
        if self.faults:
            self.faults -= 1
            return 503, {}
        audience = parse_qs(urlsplit(asked.path).query)["audience"][0]
        claims = {"sub": SUBJECT, "aud": audience, "exp": time.time() + ASSERTION_SECONDS, "jti": len(self.issued)}
        token = f"{_encode({'alg': 'none'})}.{_encode(claims)}.signature"
        self.issued.append(token)
        return 200, {"value": token}

    def _exchange(self, asked: Asked) -> tuple[int, Any]:
        """Give an access token for an hour against an assertion that is alive and speaks for the right one."""
        token = parse_qs(asked.body.decode())["client_assertion"][0]
        part = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        if claims["aud"] != "api://AzureADTokenExchange" or claims["exp"] < time.time():
            return 401, {"error": "invalid_client", "error_description": "AADSTS700024: not within its valid time"}
        if claims["sub"] != self.federated:
            return 400, {"error": "invalid_client", "error_description": "AADSTS700213: No matching federated identity"}
        self.exchanged.append(token)
        return 200, {
            "token_type": "Bearer",
            "access_token": f"access-{len(self.exchanged)}",
            "expires_in": ACCESS_SECONDS,
        }

    def variables(self) -> dict[str, str]:
        """Return the variables of a job that may ask for a token."""
        return {
            "GITHUB_ACTIONS": "true",
            "AZURE_CLIENT_ID": CLIENT,
            "AZURE_TENANT_ID": TENANT,
            "ACTIONS_ID_TOKEN_REQUEST_URL": f"{self.url}/issuer?api-version=2.0",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "the-jobs-own",
        }

    def options(self) -> dict[str, Any]:
        """Return how azure-identity is told of an authority that is not Microsoft's."""
        return {"authority": self.url, "disable_instance_discovery": True, "connection_verify": self.ca}


def _encode(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


@contextmanager
def authority(folder: Path) -> Iterator[Authority]:
    """Both behind one port."""
    there = Authority()
    with serve(there.answer, folder) as server:
        there.url, there.ca = server.url, server.ca
        yield there
