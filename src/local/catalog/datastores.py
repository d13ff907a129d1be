"""Datastores: the workspace's own two, whose files are here, and those that a user registers, whose files are not."""

from __future__ import annotations

import re
from typing import Any

from local.errors import Conflict, Invalid, NotFound
from local.storage.store import Store
from local.wire.call import Call, Json, Reply, page, system_data
from local.wire.guard import Guard
from local.wire.place import STORAGE_SUFFIX, Place

OWN = ("workspaceblobstore", "workspaceartifactstore")
# What each type must name, by the API specification of 2024-10-01-preview.
_REQUIRED = {
    "AzureBlob": (),
    "AzureFile": ("accountName", "fileShareName"),
    "AzureDataLakeGen1": ("storeName",),
    "AzureDataLakeGen2": ("accountName", "filesystem"),
    "OneLake": ("artifact", "oneLakeWorkspaceName"),
}
_SECRETS = {"AccountKey": "key", "Sas": "sasToken", "ServicePrincipal": "clientSecret", "Certificate": "certificate"}
_NAME = re.compile(r"[A-Za-z0-9_]{1,255}")


class Datastores:
    """The datastores of the workspace. Secrets of a user's own lie in the store, which only its owner reads."""

    def __init__(self, place: Place, store: Store, guard: Guard) -> None:
        self.place = place
        self.store = store
        self.guard = guard

    def own(self, name: str) -> Json:
        """Return one of the workspace's own."""
        properties: Json = {
            "credentials": {"credentialsType": "Sas"},
            "datastoreType": "AzureBlob",
            "accountName": self.place.account,
            "containerName": self.place.container_of(name),
            "endpoint": STORAGE_SUFFIX,
            "protocol": "https",
            "serviceDataAccessAuthIdentity": "None",
        }
        return self._render(name, properties, system_data())

    def get(self, name: str) -> Json:
        """Return a datastore as the service shows it: without its secrets."""
        if name in OWN:
            return self.own(name)
        document = self._registered(name)
        properties = dict(document.body["properties"])
        properties["credentials"] = {k: v for k, v in properties["credentials"].items() if k != "secrets"}
        return self._render(name, properties, system_data(document))

    def put(self, name: str, properties: Json) -> bool:
        """Register a datastore, or change one; return whether it is new.

        A change that brings no secrets keeps the old ones.
        """
        if name in OWN:
            raise Conflict(f"Datastore {name} is part of the local workspace and cannot be changed.")
        if not _NAME.fullmatch(name):
            raise Invalid(f"{name!r} is not a datastore's name: letters, digits and _")
        kind = properties.get("datastoreType")
        if kind not in _REQUIRED:
            raise Invalid(f"{kind!r} is not a type of datastore: it is one of {', '.join(_REQUIRED)}")
        if missing := [key for key in _REQUIRED[kind] if not properties.get(key)]:
            raise Invalid(f"A datastore of type {kind} needs {', '.join(missing)}")
        given = properties.get("credentials")
        word = given.get("credentialsType") if isinstance(given, dict) else None
        if not isinstance(given, dict) or word not in (*_SECRETS, "None"):
            raise Invalid(f"{word!r} is not a type of credentials: it is one of {', '.join(_SECRETS)} and None")
        with self.store.transaction():
            old = self.store.get("datastores", name)
            credentials = dict(given)
            if old is not None and not credentials.get("secrets"):
                before = old.body["properties"]["credentials"]
                if before["credentialsType"] == word and before.get("secrets"):
                    credentials["secrets"] = before["secrets"]
            self.store.put("datastores", name, {"properties": properties | {"credentials": credentials}})
        return old is None

    def secrets(self, name: str) -> Json:
        if name in OWN:
            return {"secretsType": "Sas", "sasToken": self.guard.sas(str(self.place.container_of(name)))}
        credentials = self._registered(name).body["properties"]["credentials"]
        kind = credentials["credentialsType"]
        if kind == "None":
            raise Invalid(f"Datastore {name} has no credentials: the caller's own sign-in opens it.")
        return {"secretsType": kind} | (credentials.get("secrets") or {_SECRETS[kind]: None})

    def delete(self, name: str) -> bool:
        """Forget a datastore, and nothing of what lies in it; return whether it was there."""
        if name in OWN:
            raise Conflict(f"Datastore {name} is part of the local workspace and cannot be deleted.")
        return self.store.delete("datastores", name)

    def _registered(self, name: str) -> Any:
        document = self.store.get("datastores", name)
        if document is None:
            known = ", ".join((*OWN, *self.store.names("datastores")))
            raise NotFound("Datastore", f"Datastore with name {name} not found (there are {known}).")
        return document

    def _render(self, name: str, properties: Json, system: Json) -> Json:
        base: Json = {"description": None, "tags": None, "properties": None, "isDefault": name == OWN[0]}
        return {
            "id": f"{self.place.id}/datastores/{name}",
            "name": name,
            "type": "Microsoft.MachineLearningServices/workspaces/datastores",
            "properties": base | properties | {"isDefault": name == OWN[0]},
            "systemData": system,
        }


def get_datastore(datastores: Datastores, call: Call) -> Reply:
    return Reply(body=datastores.get(call["name"]))


def list_datastores(datastores: Datastores, call: Call) -> Reply:
    """Answer the workspace's own first, then the registered ones by page."""
    if call.query.get("isDefault", "").lower() == "true":
        return Reply(body={"value": [datastores.own(OWN[0])]})
    store = datastores.store
    reply = page(
        call,
        datastores.place.control,
        lambda after, limit: store.find("datastores", after=after, limit=limit),
        lambda document: datastores.get(document.name),
    )
    if not call.query.get("$skip"):
        reply.body["value"] = [*map(datastores.own, OWN), *reply.body["value"]]
    return reply


def put_datastore(datastores: Datastores, call: Call) -> Reply:
    new = datastores.put(call["name"], call.properties())
    return Reply(201 if new else 200, datastores.get(call["name"]))


def delete_datastore(datastores: Datastores, call: Call) -> Reply:
    return Reply(200 if datastores.delete(call["name"]) else 204)


def list_secrets(datastores: Datastores, call: Call) -> Reply:
    return Reply(body=datastores.secrets(call["name"]))
