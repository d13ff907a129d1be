"""Which version of an asset is meant: a resource id, NAME:VERSION or NAME@latest, as the SDK and the CLI spell them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from local.storage.store import Document, Store

LATEST = "latest"
_ID = re.compile(
    r"/subscriptions/.*/(?P<kind>codes|data|environments|models)/(?P<name>[^/]+)/versions/(?P<version>[^/]+)/?", re.I
)
_NAME = re.compile(r"(?P<name>[^:/@]+)(?::(?P<version>[^:/@]+)|@latest)")


@dataclass(frozen=True)
class Reference:
    """A version of an asset; `kind` is None where the name alone was given, `version` may be `LATEST`."""

    kind: str | None
    name: str
    version: str


def read(text: str) -> Reference | None:
    """Return what a text names, with `azureml:` before it or without; None when it names no version."""
    named = text.removeprefix("azureml:")
    if match := _ID.fullmatch(named):
        return Reference(match["kind"].lower(), match["name"], match["version"])
    if match := _NAME.fullmatch(named):
        return Reference(None, match["name"], match["version"] or LATEST)
    return None


def find(store: Store, kind: str, name: str, version: str) -> Document | None:
    """Return the version, or for `LATEST` the newest one that is not archived; None when there is none."""
    if version != LATEST:
        return store.get(kind, name, version)
    found = store.find(kind, name=name, archived=False, limit=1)
    return found[0] if found else None
