"""How endpoints and deployments stand, in Azure's words for their provisioning state. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from azure.ai.ml.entities import OnlineDeployment, OnlineEndpoint

SUCCEEDED, FAILED = "Succeeded", "Failed"
# A deployment whose number of instances changes goes on serving with those that it has.
SERVING = (SUCCEEDED, "Scaling")
# Until such an operation ends, what is read is what was before it.
CHANGING = ("Creating", "Updating", "Deleting")


def state(resource: OnlineDeployment | OnlineEndpoint) -> str:
    """Return it as a plain word (the SDK's is an enumeration that formats as its own name)."""
    found = resource.provisioning_state
    return str(getattr(found, "value", found))
