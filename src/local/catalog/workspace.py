"""The workspace itself: as a resource, in the lists of its group and subscription, and where its services are."""

from __future__ import annotations

from local.wire.call import Call, Json, Reply, system_data
from local.wire.place import Place


def _workspace(place: Place) -> Json:
    group = f"/subscriptions/{place.subscription_id}/resourceGroups/{place.resource_group}/providers"
    properties: Json = {
        "friendlyName": place.workspace_name,
        "description": "The local workspace",
        "storageAccount": f"{group}/Microsoft.Storage/storageAccounts/local",
        "keyVault": f"{group}/Microsoft.Keyvault/vaults/local",
        "applicationInsights": f"{group}/Microsoft.insights/components/local",
        "containerRegistry": None,
        "imageBuildCompute": None,
        "notebookInfo": None,
        "hbiWorkspace": False,
        "tenantId": place.subscription_id,
        "provisioningState": "Succeeded",
        "v1LegacyMode": False,
        "storageHnsEnabled": False,
        "privateLinkCount": 0,
        "publicNetworkAccess": "Disabled",
        "workspaceId": place.guid,
        "discoveryUrl": f"{place.control}/discovery",
        "mlFlowTrackingUri": f"{place.control}{place.mlflow_path}",
    }
    return {
        "id": place.id,
        "name": place.workspace_name,
        "type": "Microsoft.MachineLearningServices/workspaces",
        "location": place.location,
        "tags": {},
        "kind": "Default",
        "identity": {"type": "SystemAssigned", "principalId": place.guid, "tenantId": place.subscription_id},
        "sku": {"name": "Basic", "tier": "Basic"},
        "properties": properties,
        "systemData": system_data(),
    }


def get_workspace(place: Place, call: Call) -> Reply:
    return Reply(body=_workspace(place))


def list_workspaces(place: Place, call: Call) -> Reply:
    """Answer the one workspace that there is, unless only kinds are asked for that it is not."""
    kinds = call.query.get("kind", "").lower()
    return Reply(body={"value": [_workspace(place)] if not kinds or "default" in kinds.split(",") else []})


def get_discovery(place: Place, call: Call) -> Reply:
    """Answer where run history and the data plane are."""
    return Reply(
        body={"api": place.control, "history": place.control, "studio": place.control, "mlflow": place.control}
    )
