"""Versioned assets: codes, environments, data and models. A version, once made, keeps its content."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from local.catalog import curated, references
from local.catalog.flavors import flavors
from local.catalog.locations import Locator
from local.errors import Conflict, Invalid, NotFound, Refusal
from local.storage.blobs import Blobs
from local.storage.store import Document, Store
from local.wire import names
from local.wire.call import Call, Json, Reply, archived_filter, page, system_data
from local.wire.filters import Filter
from local.wire.place import Place

# What the service calls each kind in its errors, and what may change in a version after it was made.
_WORD = {"codes": "Code", "environments": "Environment", "data": "Data", "models": "Model"}
_CHANGEABLE = frozenset({"description", "tags", "properties", "isArchived", "stage", "flavors", "autoDeleteSetting"})
_DEFAULTS: Mapping[str, Json] = {
    "codes": {"codeUri": None},
    "environments": {"environmentType": "UserCreated", "osType": "Linux", "condaFile": None, "image": None},
    "data": {"dataType": "uri_folder", "dataUri": None},
    "models": {"flavors": {}, "modelType": "custom_model", "jobName": None, "stage": None},
}

_SHOWN: Json = {"description": None, "tags": {}, "properties": {}, "isArchived": False, "isAnonymous": False}


class Assets:
    """The four kinds of assets in the store."""

    def __init__(self, place: Place, store: Store, locator: Locator, blobs: Blobs) -> None:
        self.place = place
        self.store = store
        self.locator = locator
        self.blobs = blobs

    def get(self, kind: str, name: str, version: str) -> Document:
        """Return one version, and the newest one that is not archived for the label "latest"."""
        document = references.find(self.store, kind, name, version) or curated.version(kind, name, version)
        if document is None:
            word = _WORD[kind]
            raise NotFound(word, f"{word} with name: {name} and version: {version} not found.")
        return document

    def resolve(self, kind: str, reference: str) -> Document:
        """Return the version that a resource id, NAME:VERSION or NAME@latest stands for."""
        meant = references.read(reference)
        if meant is None or meant.kind not in (None, kind):
            raise Invalid(f"{reference!r} names no version of {kind}: name:version or a resource id is needed")
        return self.get(kind, meant.name, meant.version)

    def check_environment(self, reference: str) -> None:
        """Refuse an environment that is not there; one of a registry of the service is taken as known."""
        if not reference.startswith(("azureml://registries/", "azureml:AzureML-", "AzureML-")):
            self.resolve("environments", reference)

    def code_location(self, reference: str) -> tuple[str, str]:
        """Return the container of a code and the path in it."""
        properties = self.resolve("codes", reference).body["properties"]
        return properties["container"], properties["path"]

    def put(self, kind: str, name: str, version: str, properties: Json) -> tuple[Document, bool]:
        """Make a version, or change what may change in it. Returns it and whether it is new.

        Raises:
            Conflict: the version exists with other content.
            Invalid: a name or version that the service would not take.
        """
        names.check(_WORD[kind], name)
        names.check(f"Version of {_WORD[kind].lower()} {name}", version)
        body = self._normal(kind, properties)
        with self.store.transaction():
            old = self.store.get(kind, name, version)
            if old is not None and old.body["properties"].get("isAnonymous") and body.get("isAnonymous"):
                # Named by the hash of its content: the same one, uploaded once more to another place.
                if kind != "codes" or not self.is_damaged(old):
                    return old, False
            elif old is not None:
                if kind == "models" and "jobName" in old.body["properties"]:
                    # The SDK does not send back where a model came from: an update keeps it.
                    body.setdefault("jobName", old.body["properties"]["jobName"])
                if kind == "environments" and self._is_same_build(
                    old.body["properties"].get("build"), body.get("build")
                ):
                    body["build"] = old.body["properties"]["build"]
                self._check_unchanged(kind, name, version, old.body["properties"], body)
            if self.store.get(f"{kind}.container", name) is None:
                self.store.put(f"{kind}.container", name, {"properties": {}})
            mark = str((body.get("properties") or {}).get("hash_sha256", "")) if kind == "codes" else ""
            document = self.store.put(
                kind,
                name,
                {"properties": body},
                version=version,
                mark=mark,
                archived=bool(body.get("isArchived")),
            )
        return document, old is None

    def create_next(self, kind: str, name: str, properties: Json) -> Document:
        """Make the next version of a name."""
        with self.store.transaction():
            version = str(self.store.greatest_number(kind, name) + 1)
            return self.put(kind, name, version, properties)[0]

    def render(self, document: Document) -> Json:
        """Return a version as the service shows it."""
        kind = document.kind
        properties: Json = dict(_SHOWN)
        properties |= _DEFAULTS[kind] | document.body["properties"]
        if kind in ("codes", "models"):
            properties["provisioningState"] = "Succeeded"
        if kind == "codes":
            properties["codeUri"] = self.place.blob_url(properties.pop("container"), properties.pop("path"))
        return {
            "id": f"{self.place.id}/{kind}/{document.name}/versions/{document.version}",
            "name": document.version,
            "type": f"Microsoft.MachineLearningServices/workspaces/{kind}/versions",
            "properties": properties,
            "systemData": system_data(document),
        }

    def render_container(self, kind: str, document: Document) -> Json:
        newest = self.store.find(kind, name=document.name, archived=False, limit=1)
        properties: Json = {
            "description": None,
            "tags": {},
            "properties": {},
            "isArchived": document.archived,
            "latestVersion": newest[0].version if newest else None,
            "nextVersion": str(self.store.greatest_number(kind, document.name) + 1),
        }
        if kind == "data":
            latest = newest[0].body["properties"] if newest else {}
            properties["dataType"] = latest.get("dataType", "uri_folder")
        return {
            "id": f"{self.place.id}/{kind}/{document.name}",
            "name": document.name,
            "type": f"Microsoft.MachineLearningServices/workspaces/{kind}",
            "properties": properties | document.body["properties"],
            "systemData": system_data(document),
        }

    def _normal(self, kind: str, properties: Json) -> Json:
        body = {key: value for key, value in properties.items() if value is not None}
        if kind == "models":
            uri = str(body.get("modelUri", ""))
            body["modelUri"] = self.locator.long_uri(uri, "models")
            if body.get("modelType") == "mlflow_model" and not body.get("flavors"):
                body["flavors"] = flavors(self.blobs, self.locator.resolve(uri, "models"))
            if body.get("jobName") is None and uri.startswith("azureml://jobs/"):
                body["jobName"] = uri.split("/")[3]
        elif kind == "data":
            uri = self.locator.data_uri(str(body.get("dataUri", "")))
            # The service shows whatever is a folder with a slash at its end; the SDK's own tests hold it to that.
            folder = body.get("dataType", "uri_folder") != "uri_file" and uri.startswith("azureml://")
            body["dataUri"] = uri.rstrip("/") + "/" if folder else uri
        elif kind == "codes":
            # The port may be another tomorrow, so the address is kept as container and path.
            location = self.locator.resolve(str(body.pop("codeUri", "")))
            body |= {"container": location.container, "path": location.path}
        return body

    def is_damaged(self, code: Document) -> bool:
        """Say whether a code's files are not all there as they were uploaded."""
        properties = code.body["properties"]
        return self.blobs.is_damaged(properties["container"], properties["path"])

    def _is_same_build(self, old: Json | None, new: Json | None) -> bool:
        """Whether two build contexts hold the same files, wherever they were uploaded: the first upload counts."""
        if not old or not new or old.get("dockerfilePath") != new.get("dockerfilePath"):
            return False
        try:
            places = [self.locator.resolve(str(each.get("contextUri"))) for each in (old, new)]
        except Refusal:
            return False
        found = [
            {path: (blob.size, blob.md5) for path, blob in self.blobs.tree(each.container, each.path)}
            for each in places
        ]
        return found[0] == found[1] and bool(found[0]) and all(md5 for _, md5 in found[0].values())

    def _check_unchanged(self, kind: str, name: str, version: str, old: Json, new: Json) -> None:
        for key in sorted((set(old) | set(new)) - _CHANGEABLE):
            if _plain(old.get(key, _DEFAULTS[kind].get(key))) != _plain(new.get(key, _DEFAULTS[kind].get(key))):
                raise Conflict(
                    f"A {_WORD[kind].lower()} with this name and version already exists. If you are trying to "
                    f"create a new one, use a different name or version. {name}:{version} differs in {key}.",
                    detail=("AlreadyExists", f"{key} of an existing version cannot be changed."),
                )


def _plain(value: Any) -> Any:
    """Return a value to compare: JSON in a text, such as a conda file, counts by its meaning, as for the service."""
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def get_version(assets: Assets, kind: str, call: Call) -> Reply:
    return Reply(body=assets.render(assets.get(kind, call["name"], call["version"])))


def put_version(assets: Assets, kind: str, call: Call) -> Reply:
    document, new = assets.put(kind, call["name"], call["version"], call.properties())
    headers = {"Location": f"{assets.place.control}{call.path}"} if new else {}
    return Reply(201 if new else 200, assets.render(document), headers)


def delete_version(assets: Assets, kind: str, call: Call) -> Reply:
    return Reply(200 if assets.store.delete(kind, call["name"], call["version"]) else 204)


def list_versions(assets: Assets, kind: str, call: Call) -> Reply:
    if kind == "codes" and call.query.get("hash"):
        # The SDK uploads what it does not find.
        found = assets.store.find("codes", mark=call.query["hash"], limit=1)
        return Reply(body={"value": [assets.render(code) for code in found if not assets.is_damaged(code)]})
    newest_first = "asc" not in call.query.get("$orderBy", "").lower().split()
    # The service has two words for it.
    wanted = Filter(call, tags="$tags" if kind == "data" else "tags", fields=("version", "description", "stage"))

    def fetch(after: int | None, limit: int) -> list[Document]:
        found = assets.store.find(
            kind,
            name=call["name"],
            archived=archived_filter(call),
            newest_first=newest_first,
            after=after,
            limit=limit,
        )
        theirs = None if found or after is not None else curated.version(kind, call["name"])
        return found or ([theirs] if theirs else [])

    return page(call, assets.place.control, wanted(fetch), assets.render)


def get_container(assets: Assets, kind: str, call: Call) -> Reply:
    document = assets.store.get(f"{kind}.container", call["name"]) or curated.container(kind, call["name"])
    if document is None:
        raise NotFound(_WORD[kind], f"{_WORD[kind]} container with name: {call['name']} not found.")
    return Reply(body=assets.render_container(kind, document))


def put_container(assets: Assets, kind: str, call: Call) -> Reply:
    properties = {key: value for key, value in call.properties().items() if value is not None}
    for computed in ("latestVersion", "nextVersion", "dataType"):
        properties.pop(computed, None)
    document = assets.store.put(
        f"{kind}.container",
        call["name"],
        {"properties": properties},
        archived=bool(properties.get("isArchived")),
    )
    return Reply(body=assets.render_container(kind, document))


def list_containers(assets: Assets, kind: str, call: Call) -> Reply:
    def fetch(after: int | None, limit: int) -> list[Document]:
        return assets.store.find(f"{kind}.container", archived=archived_filter(call), after=after, limit=limit)

    return page(call, assets.place.control, fetch, lambda document: assets.render_container(kind, document))
