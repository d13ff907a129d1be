"""Environments that the service itself keeps, named AzureML-...: here each of them is this project's own Python."""

from __future__ import annotations

from local.catalog.references import LATEST
from local.storage.store import Document
from local.wire.call import BORN

PREFIX = "AzureML-"
# The service numbers them as they are rebuilt. Whatever number is asked for is there; the latest is this one.
NUMBER = "1"


def version(kind: str, name: str, asked: str = LATEST) -> Document | None:
    """Return a version of a curated environment; None when the name is not one of theirs."""
    if kind != "environments" or not name.startswith(PREFIX):
        return None
    number = NUMBER if asked == LATEST else asked
    image = f"mcr.microsoft.com/azureml/curated/{name.removeprefix(PREFIX).lower()}:{number}"
    properties = {"environmentType": "Curated", "osType": "Linux", "image": image, "condaFile": None}
    return Document(0, kind, name, number, "", False, BORN, BORN, {"properties": properties})


def container(kind: str, name: str) -> Document | None:
    """Return what lists the versions of a curated environment; None when the name is not one of theirs."""
    if version(kind, name) is None:
        return None
    return Document(0, f"{kind}.container", name, "", "", False, BORN, BORN, {"properties": {"latestVersion": NUMBER}})
