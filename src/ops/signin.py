"""Sign-in to Azure without a stored secret.

In GitHub Actions the job's own identity is exchanged for a token of Azure: each time Azure wants proof, GitHub is asked
for a fresh assertion. One that was fetched once lives some ten minutes, and a training of hours would die of it
(AADSTS700024). Anywhere else it is whatever sign-in the machine has: az login, a managed identity, variables.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ops import actions
from ops.errors import Unreachable

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

AUDIENCE = "api://AzureADTokenExchange"  # whom the assertion is for, as Microsoft Entra insists
SCOPE = "https://management.azure.com/.default"
REQUEST_URL, REQUEST_TOKEN = "ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"
CLIENT, TENANT = "AZURE_CLIENT_ID", "AZURE_TENANT_ID"
_TRIES = 4
_SECONDS = 30


def credential(variables: Mapping[str, str] = os.environ, **options: Any) -> TokenCredential:
    """Return the credential for this process; `options` are those of azure-identity.

    Raises Unreachable in a GitHub Actions job that was set up by half.
    """
    if not federated(variables):
        from azure.identity import DefaultAzureCredential

        return DefaultAzureCredential(**options)
    missing = [name for name in (TENANT, CLIENT) if not variables.get(name)]
    if missing:
        raise Unreachable(
            f"sign-in: {' and '.join(missing)} not set: make them variables of the GitHub environment "
            "(docs/azure-setup.md)"
        )
    if not variables.get(REQUEST_URL):
        raise Unreachable("sign-in: this job may not ask GitHub for a token: give it permissions: id-token: write")
    from azure.identity import ClientAssertionCredential

    return ClientAssertionCredential(variables[TENANT], variables[CLIENT], assertions(variables), **options)


def federated(variables: Mapping[str, str] = os.environ) -> bool:
    """Return whether this is a GitHub Actions job that signs in by its own identity.

    One with neither an identity to become nor the permission for a token, as on a machine of your own that is signed
    in already, is not.
    """
    in_actions = variables.get("GITHUB_ACTIONS") == "true"
    return in_actions and bool(variables.get(REQUEST_URL) or variables.get(CLIENT))


def assertions(variables: Mapping[str, str]) -> Callable[[], str]:
    """Return a function that asks GitHub for a fresh assertion at each call, and never keeps one."""

    def fresh() -> str:
        import requests
        from requests.adapters import HTTPAdapter
        from urllib3 import Retry

        with requests.Session() as session:
            patient = HTTPAdapter(max_retries=Retry(_TRIES, backoff_factor=0.5, status_forcelist=(429, 500, 502, 503)))
            session.mount("https://", patient)
            session.mount("http://", patient)
            answer = session.get(
                variables[REQUEST_URL],
                params={"audience": AUDIENCE},
                headers={"Authorization": f"Bearer {variables.get(REQUEST_TOKEN, '')}"},
                timeout=_SECONDS,
            )
        if not answer.ok:
            raise Unreachable(f"sign-in: GitHub gave no token for this job: {answer.status_code} {answer.reason}")
        token = str(answer.json()["value"])
        actions.mask(token)
        return token

    return fresh


def speaks_for(variables: Mapping[str, str] = os.environ) -> str:
    """Return whom this job speaks for, in GitHub's words; a federated credential must name exactly this."""
    return subject(assertions(variables)())


def subject(assertion: str) -> str:
    """Return whom an assertion speaks for, as in repo:owner/name:environment:production. It is read, not verified."""
    body = assertion.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return str(claims["sub"])
