"""The endpoint: there when it is needed, never overwritten."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ops import actions, provisioning, wait
from ops.errors import NotFound, OpsError

if TYPE_CHECKING:
    from azure.ai.ml import MLClient
    from azure.ai.ml.entities import OnlineEndpoint


def find(client: MLClient, name: str) -> OnlineEndpoint | None:
    """Return the endpoint, or None when the workspace has none of that name."""
    from azure.core.exceptions import ResourceNotFoundError

    try:
        return client.online_endpoints.get(name)
    except ResourceNotFoundError:
        return None


def get(client: MLClient, name: str) -> OnlineEndpoint:
    """Return the endpoint; NotFound says how to make it."""
    endpoint = find(client, name)
    if endpoint is None:
        raise NotFound(f"endpoint {name} does not exist yet: inv deploy creates it")
    return endpoint


def ensure(client: MLClient, file: Path, name: str, *, deadline_seconds: float) -> OnlineEndpoint:
    """Return the endpoint, created from its YAML when it is not there.

    An existing one that is well is left as it is; one that is not is put again as it was read, with its traffic, mirror
    and tags (an update replaces the whole).
    """
    from azure.ai.ml import load_online_endpoint

    def put() -> None:
        # Read anew for each try: the update that kept the last one waiting may have set another split.
        endpoint = find(client, name)
        if endpoint is None:
            endpoint = load_online_endpoint(file)
            endpoint.name = name
        elif provisioning.state(endpoint) == provisioning.SUCCEEDED:
            return
        client.online_endpoints.begin_create_or_update(endpoint).result(timeout=deadline_seconds)

    wait.retrying(put, what=f"endpoint {name}", deadline_seconds=deadline_seconds)
    there = get(client, name)
    if provisioning.state(there) != provisioning.SUCCEEDED:
        raise OpsError(f"endpoint {name} did not come up: inv status shows its state; mend it, then try again")
    return there


def key(client: MLClient, name: str) -> str:
    """Return what a caller must send: the primary key, or a token, as the endpoint's auth_mode says."""
    secret = client.online_endpoints.get_keys(name)
    found = getattr(secret, "primary_key", None) or getattr(secret, "access_token", None)
    if not found:
        raise NotFound(f"endpoint {name} gives no key to this sign-in: it needs the role to list keys")
    actions.mask(str(found))
    return str(found)
