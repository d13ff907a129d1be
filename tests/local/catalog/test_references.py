"""How an asset's version is named, in every spelling that the SDK and the CLI send."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.catalog import references
from local.catalog.references import LATEST, Reference
from local.storage.store import Store

WORKSPACE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w"


@pytest.mark.parametrize("prefix", ["", "azureml:"])
@pytest.mark.parametrize(
    ("text", "meant"),
    [
        (f"{WORKSPACE}/models/m/versions/3", Reference("models", "m", "3")),
        (f"{WORKSPACE}/Environments/e/Versions/1/", Reference("environments", "e", "1")),
        ("m:3", Reference(None, "m", "3")),
        ("m@latest", Reference(None, "m", LATEST)),
    ],
)
def test_a_version_is_read_from_its_id_or_its_name(prefix: str, text: str, meant: Reference) -> None:
    """With `azureml:` before it or without; the words of an id in any case."""
    assert references.read(prefix + text) == meant


@pytest.mark.parametrize(
    "text", ["", "m", "m@newest", "m:3:4", "a/b:1", "azureml://datastores/d/paths/p", f"{WORKSPACE}/jobs/j/versions/1"]
)
def test_what_names_no_version_is_none(text: str) -> None:
    """A path, a bare name, another label, another kind of resource."""
    assert references.read(text) is None


def test_the_latest_is_the_newest_that_is_not_archived(tmp_path: Path) -> None:
    """By the order in which they were made."""
    store = Store(tmp_path / "state.sqlite")
    for version, archived in (("1", False), ("2", False), ("3", True)):
        store.put("models", "m", {"properties": {}}, version=version, archived=archived)
    newest, named, none = (
        references.find(store, "models", *asked) for asked in (("m", LATEST), ("m", "3"), ("n", "1"))
    )
    assert newest is not None
    assert named is not None
    assert (newest.version, named.version, none) == ("2", "3", None)
    store.close()
