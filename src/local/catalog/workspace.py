"""The workspace itself and its datastores."""

from __future__ import annotations

from local.errors import NotFound
from local.wire.call import Call, Json, Reply
from local.wire.guard import Guard
from local.wire.place import STORAGE_SUFFIX, Place

_STORES = ("workspaceblobstore", "workspaceartifactstore")
# There is no user to name and no time that matters: the workspace exists as long as its folder does.
_BORN = "2024-01-01T00:00:00+00:00"
_SYSTEM = {
    "createdAt": _BORN,
    "createdBy": "local user",
    "createdByType": "User",
    "lastModifiedAt": _BORN,
    "lastModifiedBy": "local user",
    "lastModifiedByType": "User",
}


def get_workspace(place: Place, call: Call) -> Reply:
    """Answer GET of the workspace."""
    group = f"/subscriptions/{place.subscription_id}/resourceGroups/{place.resource_group}/providers"
    properties: Json = {
        "friendlyName": place.workspace_name,
        "description": "The local workspace",
        "storageAccount": f"{group}/Microsoft.Storage/storageAccounts/local",
        "keyVault": f"{group}/Microsoft.Keyvault/vaults/local",
        "applicationInsights": f"{group}/Microsoft.insights/components/local",
        "containerRegistry": None,
        "hbiWorkspace": False,
        "tenantId": place.subscription_id,
        "provisioningState": "Succeeded",
        "v1LegacyMode": False,
        "publicNetworkAccess": "Disabled",
        "workspaceId": place.guid,
        "discoveryUrl": f"{place.control}/discovery",
        "mlFlowTrackingUri": f"{place.control}/mlflow/v1.0{place.id}",
    }
    body = {
        "id": place.id,
        "name": place.workspace_name,
        "type": "Microsoft.MachineLearningServices/workspaces",
        "location": place.location,
        "tags": {},
        "kind": "Default",
        "identity": {"type": "SystemAssigned", "principalId": place.guid, "tenantId": place.subscription_id},
        "sku": {"name": "Basic", "tier": "Basic"},
        "properties": properties,
        "systemData": _SYSTEM,
    }
    return Reply(body=body)


def get_discovery(place: Place, call: Call) -> Reply:
    """Answer where run history and the data plane are."""
    return Reply(
        body={"api": place.control, "history": place.control, "studio": place.control, "mlflow": place.control}
    )


def _datastore(place: Place, name: str) -> Json:
    container = place.container_of(name)
    if container is None:
        raise NotFound("Datastore", f"Datastore with name {name} not found (there are {', '.join(_STORES)}).")
    return {
        "id": f"{place.id}/datastores/{name}",
        "name": name,
        "type": "Microsoft.MachineLearningServices/workspaces/datastores",
        "properties": {
            "description": None,
            "tags": {},
            "properties": {},
            "isDefault": name == _STORES[0],
            "credentials": {"credentialsType": "Sas"},
            "datastoreType": "AzureBlob",
            "accountName": place.account,
            "containerName": container,
            "endpoint": STORAGE_SUFFIX,
            "protocol": "https",
            "serviceDataAccessAuthIdentity": "None",
        },
        "systemData": _SYSTEM,
    }


def get_datastore(place: Place, call: Call) -> Reply:
    return Reply(body=_datastore(place, call["name"]))


def list_datastores(place: Place, call: Call) -> Reply:
    names = _STORES[:1] if call.query.get("isDefault", "").lower() == "true" else _STORES
    return Reply(body={"value": [_datastore(place, name) for name in names]})


def list_datastore_secrets(place: Place, guard: Guard, call: Call) -> Reply:
    container = _datastore(place, call["name"])["properties"]["containerName"]
    return Reply(body={"secretsType": "Sas", "sasToken": guard.sas(container)})
