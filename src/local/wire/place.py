"""Where the workspace is: its names, its ARM ids and its addresses."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

SUBSCRIPTION_ID = "00000000-0000-0000-0000-000000000000"
RESOURCE_GROUP = "local"
WORKSPACE_NAME = "local"
LOCATION = "local"
STORAGE_SUFFIX = "core.local"
PROVIDER = "Microsoft.MachineLearningServices"
# What a token of the service is for. The SDK compares it with the audience in the token.
AUDIENCE = "https://ml.azure.com"


def run_folder(run: str) -> str:
    """Return where the artifact store keeps what a run leaves behind."""
    return f"ExperimentRun/dcid.{run}"


def hosts(*addresses: str) -> frozenset[str]:
    """Return the Host headers that mean one of these addresses of 127.0.0.1: localhost is another name for it."""
    named = {address.partition("://")[2] for address in addresses}
    return frozenset(named | {host.replace("127.0.0.1", "localhost") for host in named})


@dataclass(frozen=True)
class Place:
    """The workspace's names and the addresses that it listens on, without a slash at the end."""

    control: str
    scoring: str
    studio: str = ""
    subscription_id: str = SUBSCRIPTION_ID
    resource_group: str = RESOURCE_GROUP
    workspace_name: str = WORKSPACE_NAME
    location: str = LOCATION

    @property
    def id(self) -> str:
        """Return the workspace's ARM id."""
        return (
            f"/subscriptions/{self.subscription_id}/resourceGroups/{self.resource_group}"
            f"/providers/{PROVIDER}/workspaces/{self.workspace_name}"
        )

    @property
    def mlflow_path(self) -> str:
        """Return the path of the tracking API, as the service has it."""
        return f"/mlflow/v1.0{self.id}"

    def endpoint_id(self, name: str) -> str:
        return f"{self.id}/onlineEndpoints/{name}"

    def deployment_id(self, endpoint: str, name: str) -> str:
        return f"{self.endpoint_id(endpoint)}/deployments/{name}"

    @property
    def guid(self) -> str:
        return str(uuid.uuid5(uuid.NAMESPACE_URL, self.id))

    @property
    def account(self) -> str:
        """Return the storage account's name.

        The SDK builds a blob host as https://{account}.blob.{suffix}; an account name that ends in a
        slash turns the rest into a path on this server.
        """
        return f"{self.control.removeprefix('https://')}/blob/acct/"

    @property
    def blob_container(self) -> str:
        return f"azureml-blobstore-{self.guid}"

    @property
    def artifact_container(self) -> str:
        return "azureml"

    def container_of(self, datastore: str) -> str | None:
        """Return the container behind a datastore, or None if there is no such datastore."""
        return {
            "workspaceblobstore": self.blob_container,
            "workspaceartifactstore": self.artifact_container,
        }.get(datastore)

    def datastore_uri(self, datastore: str, path: str) -> str:
        """Return the long azureml:// form of a path."""
        return (
            f"azureml://subscriptions/{self.subscription_id}/resourceGroups/{self.resource_group}"
            f"/workspaces/{self.workspace_name}/datastores/{datastore}/paths/{path}"
        )

    def blob_url(self, container: str, name: str = "") -> str:
        return f"{self.control}/blob/acct/{container}" + (f"/{name}" if name else "")

    def cloud_metadata(self) -> dict[str, str]:
        """Return what MLClient(cloud="local", cloud_metadata=...) needs."""
        return {
            "azure_portal": self.control,
            "resource_manager": self.control,
            "active_directory": self.control,
            "aml_resource_id": AUDIENCE,
            "storage_endpoint": STORAGE_SUFFIX,
            "registry_discovery_endpoint": f"{self.control}/",
        }
