"""Datastores through the real SDK: the workspace's own two, and those that a user registers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from azure.ai.ml import Input, command
from azure.ai.ml.entities import (
    AccountKeyConfiguration,
    AzureBlobDatastore,
    AzureDataLakeGen2Datastore,
    AzureFileDatastore,
    Data,
)
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

OWN = {"workspaceblobstore", "workspaceartifactstore"}


def test_a_datastore_is_registered_changed_and_deleted(ml_client: Any) -> None:
    """Its key is kept and shown only when secrets are asked for; a delete forgets it."""
    store = AzureBlobDatastore(
        name="theirs",
        account_name="theiraccount",
        container_name="rows",
        credentials=AccountKeyConfiguration(account_key="Zmlyc3Q="),
        tags={"team": "data"},
    )
    made = ml_client.datastores.create_or_update(store)
    assert (made.account_name, made.container_name, made.tags) == ("theiraccount", "rows", {"team": "data"})
    assert not made.credentials.account_key
    assert ml_client.datastores.get("theirs", include_secrets=True).credentials.account_key == "Zmlyc3Q="
    store.credentials = AccountKeyConfiguration(account_key="c2Vjb25k")
    ml_client.datastores.create_or_update(store)
    assert ml_client.datastores.get("theirs", include_secrets=True).credentials.account_key == "c2Vjb25k"
    assert {each.name for each in ml_client.datastores.list()} >= {*OWN, "theirs"}
    assert ml_client.datastores.get_default().name == "workspaceblobstore"
    ml_client.datastores.delete("theirs")
    with pytest.raises(ResourceNotFoundError):
        ml_client.datastores.get("theirs")


@pytest.mark.parametrize(
    "store",
    [
        AzureFileDatastore(name="shared", account_name="theiraccount", file_share_name="rows"),
        AzureDataLakeGen2Datastore(name="lake", account_name="theiraccount", filesystem="rows"),
    ],
)
def test_every_type_without_credentials(ml_client: Any, store: Any) -> None:
    """What needs no key shows none."""
    made = ml_client.datastores.create_or_update(store)
    assert type(made) is type(store)
    assert type(made.credentials).__name__ == "NoneCredentialConfiguration"
    ml_client.datastores.delete(store.name)


@pytest.mark.parametrize("name", sorted(OWN))
def test_the_workspaces_own_stay(ml_client: Any, name: str) -> None:
    """They are neither changed nor deleted."""
    with pytest.raises(HttpResponseError) as changed:
        ml_client.datastores.create_or_update(AzureBlobDatastore(name=name, account_name="x", container_name="y"))
    with pytest.raises(HttpResponseError) as deleted:
        ml_client.datastores.delete(name)
    assert (changed.value.status_code, deleted.value.status_code) == (409, 409)


def test_a_name_that_is_none_is_refused(ml_client: Any) -> None:
    """Letters, digits and _ only."""
    store = AzureBlobDatastore(name="not-one", account_name="x", container_name="y")
    with pytest.raises(HttpResponseError, match="letters, digits and _"):
        ml_client.datastores.create_or_update(store)


def test_data_elsewhere_can_be_named_and_not_be_read(ml_client: Any, tmp_path: Path) -> None:
    """An asset keeps the address as it was given; a job that wants the data is refused by name, not run without it."""
    ml_client.datastores.create_or_update(AzureBlobDatastore(name="far", account_name="x", container_name="y"))
    there = ml_client.data.create_or_update(
        Data(name="far", path="azureml://datastores/far/paths/a/", type="uri_folder")
    )
    assert there.path.endswith("/workspaces/local/datastores/far/paths/a/")
    outside = ml_client.data.create_or_update(
        Data(name="web", path="abfss://a@b.dfs.core.windows.net/c", type="uri_file")
    )
    assert outside.path == "abfss://a@b.dfs.core.windows.net/c"
    for data, reason in ((there, "files in datastore far"), (outside, "they lie elsewhere")):
        job = command(
            command="ls ${{inputs.rows}}",
            inputs={"rows": Input(type=data.type, path=f"azureml:{data.name}:{data.version}")},
            environment="azureml:AzureML-sklearn-1.5:1",
        )
        with pytest.raises(HttpResponseError, match=reason):
            ml_client.jobs.create_or_update(job)
    ml_client.datastores.delete("far")


def test_a_folder_is_shown_with_a_slash_at_its_end(ml_client: Any) -> None:
    """However it was written, as the service does; a file is not."""
    for name, kind, given, shown in (
        ("plain", "uri_folder", "rows", "/rows/"),
        ("slashed", "uri_folder", "rows/", "/rows/"),
        ("file", "uri_file", "rows.csv", "/rows.csv"),
    ):
        path = f"azureml://datastores/workspaceblobstore/paths/{given}"
        assert ml_client.data.create_or_update(Data(name=name, path=path, type=kind)).path.endswith(shown)
