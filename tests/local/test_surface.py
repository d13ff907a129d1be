"""The rest of what an ML engineer calls through MLClient, one fact each; the flow's own calls have tests elsewhere."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from azure.ai.ml import command
from azure.ai.ml.entities import AmlCompute, Data, Environment, ManagedOnlineEndpoint
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError


@pytest.fixture(scope="module")
def ended(ml_client: Any) -> Any:
    """A job that has printed a line and ended."""
    job = command(command="echo said by the job", environment="AzureML-sklearn-1.5@latest", compute="cpu-cluster")
    made = ml_client.jobs.create_or_update(job)
    ml_client.jobs.stream(made.name)
    return made


def test_a_job_streams_to_its_end(ml_client: Any, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """stream prints the log as it comes, returns when the job has ended, and it has Completed."""
    gate = tmp_path / "gate"
    line = f"echo said early; while [ ! -e {gate} ]; do sleep 0.05; done; echo said late"
    made = ml_client.jobs.create_or_update(command(command=line, environment="AzureML-sklearn-1.5@latest"))
    streams = threading.Thread(target=ml_client.jobs.stream, args=(made.name,))
    streams.start()
    printed = ""
    while "said early" not in printed and streams.is_alive():
        printed += capfd.readouterr().out
        streams.join(0.05)
    gate.touch()
    streams.join()
    printed += capfd.readouterr().out
    assert "said early" in printed
    assert "said late" in printed.partition("said early")[2]
    assert "Error" not in printed
    assert ml_client.jobs.get(made.name).status == "Completed"


def test_a_job_shows_its_services(ml_client: Any, ended: Any) -> None:
    """No interactive service runs in a job here, and asking is no error."""
    assert not ml_client.jobs.show_services(ended.name)


def test_a_job_has_no_children(ml_client: Any, ended: Any) -> None:
    """Only a pipeline has."""
    assert list(ml_client.jobs.list(parent_job_name=ended.name)) == []


def test_a_job_is_validated(ml_client: Any) -> None:
    """The SDK judges by itself: a good one passes, and one that names no environment does not."""
    good = command(command="true", environment="AzureML-sklearn-1.5@latest", compute="cpu-cluster")
    assert ml_client.jobs.validate(good).passed
    assert not ml_client.jobs.validate(command(command="true", compute="cpu-cluster")).passed


def test_a_job_is_updated(ml_client: Any, ended: Any) -> None:
    """A new name and description are shown; tags are added to those that it has."""
    ml_client.jobs.update(ended.name, display_name="said later", description="why", tags={"a": "1"})
    ml_client.jobs.update(ended.name, tags={"b": "2"})
    found = ml_client.jobs.get(ended.name)
    assert (found.display_name, found.description) == ("said later", "why")
    assert {"a": "1", "b": "2"}.items() <= found.tags.items()


def test_a_job_is_deleted(ml_client: Any, ended: Any) -> None:
    """An ended job can be deleted, and is gone."""
    ml_client.jobs.begin_delete(ended.name)
    with pytest.raises(ResourceNotFoundError):
        ml_client.jobs.get(ended.name)


def test_environments_are_listed_archived_and_restored(ml_client: Any) -> None:
    """An archived version is left out of the list and can still be had by name."""
    client = ml_client.environments
    client.create_or_update(Environment(name="surface", version="1", image="none"))
    client.archive("surface", version="1")
    assert list(client.list(name="surface")) == []
    assert client.get("surface", version="1").image == "none"
    client.restore("surface", version="1")
    assert [each.version for each in client.list(name="surface")] == ["1"]
    assert ml_client.environments.get("surface", label="latest").version == "1"
    assert "surface" in {each.name for each in ml_client.environments.list()}
    ml_client.environments.archive("surface")
    assert "surface" not in {each.name for each in ml_client.environments.list()}
    ml_client.environments.restore("surface")
    assert "surface" in {each.name for each in ml_client.environments.list()}


def test_data_is_listed_archived_and_restored(ml_client: Any, tmp_path: Path) -> None:
    """As environments are."""
    (tmp_path / "rows.csv").write_text("a\n1\n")
    ml_client.data.create_or_update(Data(name="surface", version="1", path=str(tmp_path), type="uri_folder"))
    ml_client.data.archive("surface", version="1")
    assert list(ml_client.data.list(name="surface")) == []
    ml_client.data.restore("surface", version="1")
    assert [each.version for each in ml_client.data.list(name="surface")] == ["1"]


def test_datastores_are_the_two_of_every_workspace(ml_client: Any) -> None:
    """The blob store is the default, and its secrets can be had."""
    assert {each.name for each in ml_client.datastores.list()} >= {"workspaceblobstore", "workspaceartifactstore"}
    assert ml_client.datastores.get_default().name == "workspaceblobstore"
    assert ml_client.datastores.get("workspaceblobstore", include_secrets=True).credentials.sas_token
    with pytest.raises(ResourceNotFoundError):
        ml_client.datastores.get("elsewhere")


def test_a_compute_is_updated(ml_client: Any) -> None:
    """The size of a cluster is kept as it was last said."""
    ml_client.compute.begin_create_or_update(AmlCompute(name="sized", size="STANDARD_DS3_V2", max_instances=2)).result()
    changed = ml_client.compute.get("sized")
    changed.max_instances = 7
    ml_client.compute.begin_update(changed).result()
    assert ml_client.compute.get("sized").max_instances == 7


def test_this_machine_is_the_one_size_and_has_no_quota(ml_client: Any) -> None:
    """So nothing is short."""
    assert [size.name for size in ml_client.compute.list_sizes()] == ["LOCAL"]
    assert list(ml_client.compute.list_usage()) == []


def test_curated_environments_are_there(ml_client: Any) -> None:
    """Any name of theirs is, under the number that was asked for; a user's own name is not made up."""
    found = ml_client.environments.get("AzureML-sklearn-1.5", version="7")
    assert (found.version, found.image) == ("7", "mcr.microsoft.com/azureml/curated/sklearn-1.5:7")
    assert ml_client.environments.get("AzureML-sklearn-1.5", label="latest").version == "1"
    with pytest.raises(ResourceNotFoundError):
        ml_client.environments.get("sklearn-1.5", version="7")


def test_the_workspace_is_there(ml_client: Any) -> None:
    """By its own name and no other."""
    assert ml_client.workspaces.get(ml_client.workspace_name).location == "local"
    with pytest.raises(ResourceNotFoundError):
        ml_client.workspaces.get("another")


@pytest.mark.parametrize("scope", ["resource_group", "subscription"])
def test_the_workspace_is_listed(ml_client: Any, scope: str) -> None:
    """It is the only one of its group and of its subscription."""
    assert [each.name for each in ml_client.workspaces.list(scope=scope)] == [ml_client.workspace_name]
    assert list(ml_client.workspaces.list(scope=scope, filtered_kinds=["hub"])) == []


def test_endpoints_are_listed(ml_client: Any) -> None:
    """Each with its authentication mode."""
    made = ml_client.online_endpoints.begin_create_or_update(
        ManagedOnlineEndpoint(name="listed", auth_mode="aml_token")
    )
    assert made.result().provisioning_state == "Succeeded"
    assert "listed" in {each.name: each for each in ml_client.online_endpoints.list()}
    assert ml_client.online_endpoints.get_keys("listed").access_token


@pytest.mark.parametrize(
    ("group", "operation"),
    [("batch_endpoints", "list"), ("schedules", "list"), ("components", "list"), ("workspace_outbound_rules", "list")],
)
def test_what_is_not_done_is_refused_by_name(ml_client: Any, group: str, operation: str) -> None:
    """501, with the operation in the message: never a wrong answer."""
    arguments = {"workspace_outbound_rules": (ml_client.workspace_name,)}.get(group, ())
    with pytest.raises(HttpResponseError, match="The local workspace does not do") as refused:
        list(getattr(getattr(ml_client, group), operation)(*arguments))
    assert refused.value.status_code == 501
