"""The champion: the model that a new one is compared with, because it is live or was registered last."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ops import deployments, endpoints, models, traffic
from ops.errors import NotFound

if TYPE_CHECKING:
    from azure.ai.ml import MLClient
    from azure.ai.ml.entities import Model


def champion(client: MLClient, model: str, endpoint: str) -> Model | None:
    """Return the model that has most of the traffic, or the newest version when none has any.

    None when there is neither, and when the live one is not of this workspace: nothing is known of it.
    """
    slot, serving = live(client, model, endpoint)
    return serving if slot else models.latest(client, model)


def live(client: MLClient, model: str, endpoint: str) -> tuple[str | None, Model | None]:
    """Return the slot with the most traffic and the registered model that it serves; None for what is not there.

    A deployment may serve none, or one of a registry.
    """
    there = endpoints.find(client, endpoint)
    shares = traffic.split_of(there).live
    if not shares:
        return None, None
    slot = max(shares, key=lambda name: shares[name])
    served = deployments.model_of(deployments.listed(client, endpoint)[slot])
    name, _, version = served.rpartition(":")
    try:
        return slot, models.get(client, name or model, version)
    except NotFound:
        return slot, None
