"""Where data lies: every way of writing it, resolved to a container and a path in it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from local.catalog import references
from local.catalog.references import Reference
from local.errors import Invalid, NotFound, Unsupported
from local.storage.store import Store
from local.wire.place import Place, run_folder

_DATASTORE = re.compile(
    r"azureml://(?:subscriptions/[^/]+/resource[gG]roups/[^/]+/(?:providers/[^/]+/)?workspaces/[^/]+/)?"
    r"datastores/(?P<store>[^/]+)/(?:paths/)?(?P<path>.*)"
)
_JOB = re.compile(
    r"(?:azureml://jobs/(?P<job>[^/]+)/outputs/(?P<output>[^/]+)(?:/paths)?|runs:/(?P<run>[^/]+))(?:/(?P<path>.*))?"
)
_ELSEWHERE = re.compile(r"(https?|wasbs?|abfss?|adl)://[^/]")
_WEB = re.compile(r"https?://[^/]")
_WASBS = re.compile(r"wasbs://(?P<container>[^@/]+)@(?P<host>[^/]+)/(?P<path>.+)")
_EXPRESSION = re.compile(r"\$\{\{\s*([^}]*?)\s*\}\}")
_DEFAULT_DATASTORE = "workspaceblobstore"


@dataclass(frozen=True)
class Location:
    """A path below a container; `path` is "" for the whole container, and never starts with a slash."""

    datastore: str
    container: str
    path: str


class Locator:
    """Resolves URIs against what the workspace holds."""

    def __init__(self, place: Place, store: Store) -> None:
        self.place = place
        self.store = store

    def resolve(self, uri: str, kind: str = "data") -> Location:
        """Resolve a datastore path, a job output, an asset or a blob address of this server.

        `kind` is the asset kind ("data" or "models") that `azureml:name:version` stands for.

        Raises:
            Invalid: the form is unknown, or the address is elsewhere.
            NotFound: it names a datastore, job or asset that does not exist.
            Unsupported: it is in a datastore whose files are not here.
        """
        if match := _DATASTORE.fullmatch(uri):
            return self._in_datastore(match["store"], unquote(match["path"]))
        if match := _JOB.fullmatch(uri):
            job = match["job"] or match["run"]
            return self._of_job(job, match["output"] or "artifacts", match["path"] or "")
        if meant := _asset(uri):
            return self.resolve(self._uri_of_asset(meant, kind))
        if uri.startswith("https://"):
            return self._of_url(uri)
        if _ELSEWHERE.match(uri):
            raise Unsupported(f"files at {uri.split('?')[0]}: they lie elsewhere, not in this workspace")
        raise Invalid(f"The path {uri!r} is of no known form (azureml://datastores/NAME/paths/...)")

    def web_address(self, uri: str) -> str | None:
        """Return the web address that a uri, or the data asset that it names, stands for; None when it is none."""
        meant = _asset(uri)
        if meant and (document := references.find(self.store, "data", meant.name, meant.version)):
            uri = str(document.body["properties"].get("dataUri"))
        if match := _WASBS.fullmatch(uri):
            uri = f"https://{match['host']}/{match['container']}/{match['path']}"
        return uri if _WEB.match(uri) and not uri.startswith(f"{self.place.control}/") else None

    def long_uri(self, uri: str, kind: str = "data") -> str:
        """Return the long datastore form, which is what the service stores and shows."""
        location = self.resolve(uri, kind)
        # A folder may be written with a slash at its end, and is shown as it was written.
        end = "/" if location.path and uri.endswith("/") else ""
        return self.place.datastore_uri(location.datastore, location.path + end)

    def data_uri(self, uri: str) -> str:
        """Return what a data asset shows: the long form, or the uri as it is when the data lies elsewhere.

        The service does not look there when the asset is made; a job that reads from there is refused.
        """
        match = _DATASTORE.fullmatch(uri)
        if match and self.store.get("datastores", match["store"]) is not None:
            return self.place.datastore_uri(match["store"], unquote(match["path"]))
        if _ELSEWHERE.match(uri) and not uri.startswith(self.place.control):
            return uri
        return self.long_uri(uri)

    def direct_uri(self, uri: str, kind: str = "data") -> str:
        """Return what a job is told of an input that it reads by itself: the asset's own address, or the one given."""
        if meant := _asset(uri):
            return self._uri_of_asset(meant, kind)
        return self.data_uri(uri)

    def output_uri(self, uri: str, job: str, output: str) -> str:
        """Return where a job is to write an output, with the service's expressions in it evaluated.

        Raises:
            Invalid: an expression is unknown, or a job cannot write there: to another job's output, into an asset.
            NotFound: it names a datastore that does not exist.
            Unsupported: the files would not be here.
        """
        known = {"name": job, "output_name": output, "default_datastore": _DEFAULT_DATASTORE}

        def value(match: re.Match[str]) -> str:
            if match[1] not in known:
                raise Invalid(f"Output {output}: {match[0]} is not known in a path (but {', '.join(known)})")
            return known[match[1]]

        found = _EXPRESSION.sub(value, uri)
        if not _DATASTORE.fullmatch(found) and not _ELSEWHERE.match(found):
            raise Invalid(
                f"Output {output}: a job cannot write to {found} (but to azureml://datastores/NAME/paths/...)"
            )
        if self.web_address(found):
            raise Unsupported(f"outputs at {found.split('?')[0]}: they would lie elsewhere, not in this workspace")
        path = self.resolve(found).path
        if not path or ".." in path.split("/"):
            raise Invalid(f"Output {output}: {found} names no folder or file to write to")
        return found

    def _in_datastore(self, name: str, path: str) -> Location:
        container = self.place.container_of(name)
        if container is None and self.store.get("datastores", name) is not None:
            raise Unsupported(f"files in datastore {name}: they lie in a storage account, not in this workspace")
        if container is None:
            raise NotFound("Datastore", f"Datastore with name {name} not found.")
        return Location(name, container, path.strip("/"))

    def _of_job(self, job: str, output: str, path: str) -> Location:
        document = self.store.get("jobs", job)
        if document is None:
            raise NotFound("Job", f"Job with name {job} not found.")
        declared = document.body["properties"].get("outputs") or {}
        if output in declared:
            uri = declared[output].get("uri")
            base = self.resolve(uri) if uri else self._in_datastore(_DEFAULT_DATASTORE, f"azureml/{job}/{output}")
        elif output in ("artifacts", "default"):
            base = self._in_datastore("workspaceartifactstore", run_folder(job))
        else:
            known = ", ".join(sorted(declared)) or "none"
            raise NotFound("Output", f"Job {job} has no output {output} (it has: {known}).")
        return Location(base.datastore, base.container, f"{base.path}/{path}".strip("/"))

    def _uri_of_asset(self, meant: Reference, kind: str) -> str:
        kind = meant.kind or kind
        document = references.find(self.store, kind, meant.name, meant.version)
        if document is None:
            raise NotFound(kind.rstrip("s").capitalize(), f"{kind} {meant.name}:{meant.version} not found.")
        return str(document.body["properties"]["modelUri" if kind == "models" else "dataUri"])

    def _of_url(self, url: str) -> Location:
        if not url.startswith(f"{self.place.control}/blob/acct/"):
            raise Invalid(f"The address {url.split('?')[0]!r} is not in this workspace's storage")
        parts = [part for part in unquote(urlsplit(url).path).removeprefix("/blob/acct/").split("/") if part]
        if parts and parts[0].startswith(".blob."):
            parts = parts[1:]
        if not parts:
            raise Invalid("The blob address names no container")
        datastore = "workspaceartifactstore" if parts[0] == self.place.artifact_container else _DEFAULT_DATASTORE
        return Location(datastore, parts[0], "/".join(parts[1:]))


def _asset(uri: str) -> Reference | None:
    """Return the data or model asset that a uri names; without `azureml:` a name is a path."""
    meant = references.read(uri) if uri.startswith(("azureml:", "/subscriptions/")) else None
    return meant if meant and meant.kind in (None, "data", "models") else None
