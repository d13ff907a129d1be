"""The table of control-plane operations: what is done, and by which handler."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from local.catalog import assets, computes, datastores, workspace
from local.control import faults, monitor, overview
from local.control.state import State
from local.serving import deployment_calls, endpoints, keys
from local.training import history, jobs, tracking
from local.wire import operations
from local.wire.call import Call, Reply
from local.wire.place import PROVIDER

Handler = Callable[[Call], Reply | Awaitable[Reply]]

_PROVIDER = f"providers/{PROVIDER}"
_LOCATION = f"/subscriptions/{{subscription}}/{_PROVIDER}/locations/{{location}}"
_ASSETS = ("codes", "environments", "data", "models")


@dataclass(frozen=True)
class Operation:
    """One operation: `path` has {name} for what varies, and is below the workspace unless it starts with /."""

    name: str
    method: str
    path: str
    handler: Handler


def table(state: State) -> list[Operation]:
    """Return every operation that the local workspace does."""
    subscription = f"/subscriptions/{state.place.subscription_id}"
    listed = partial(workspace.list_workspaces, state.place)
    found = [
        Operation("Workspaces_Get", "GET", "", partial(workspace.get_workspace, state.place)),
        *(
            Operation(f"Workspaces_ListBy{scope}", "GET", f"{base}/{_PROVIDER}/workspaces", listed)
            for scope, base in (
                ("ResourceGroup", f"{subscription}/resourceGroups/{state.place.resource_group}"),
                ("Subscription", subscription),
            )
        ),
        Operation("Discovery_Get", "GET", "/discovery", partial(workspace.get_discovery, state.place)),
        *_datastore_operations(state.datastores),
        *_compute_operations(state.jobs.computes),
        Operation(
            "CodeVersions_StartUpload",
            "POST",
            "codes/{name}/versions/{version}/startPendingUpload",
            partial(_start_upload, state),
        ),
    ]
    found += [
        Operation("Local_Status", "GET", "/local/status", partial(overview.get_status, state)),
        Operation("Local_CreateStudioLink", "POST", "/local/studio", partial(overview.post_studio_link, state)),
        Operation("Local_GetFaults", "GET", "/local/faults", partial(faults.get_faults, state.faults)),
        Operation("Local_PutFaults", "PUT", "/local/faults", partial(faults.put_faults, state.faults)),
        Operation("Local_DeleteFaults", "DELETE", "/local/faults", partial(faults.delete_faults, state.faults)),
    ]
    for kind in _ASSETS:
        found += _asset_operations(state, kind)
    for method, path, handler in tracking.HANDLERS:
        found.append(_tracking_operation(method, path, partial(handler, state.tracking)))
    for path, add in tracking.ADDERS:
        found.append(_tracking_operation("POST", path, partial(tracking.log_one, state.tracking, add)))
    found += _monitor_operations(state)
    return found + _job_operations(state) + _endpoint_operations(state) + _operation_operations(state)


def _datastore_operations(own: datastores.Datastores) -> list[Operation]:
    one = "datastores/{name}"
    return [
        Operation("Datastores_List", "GET", "datastores", partial(datastores.list_datastores, own)),
        Operation("Datastores_Get", "GET", one, partial(datastores.get_datastore, own)),
        Operation("Datastores_CreateOrUpdate", "PUT", one, partial(datastores.put_datastore, own)),
        Operation("Datastores_Delete", "DELETE", one, partial(datastores.delete_datastore, own)),
        Operation("Datastores_ListSecrets", "POST", f"{one}/listSecrets", partial(datastores.list_secrets, own)),
    ]


def _compute_operations(own: computes.Computes) -> list[Operation]:
    one = "computes/{name}"
    return [
        Operation("Compute_List", "GET", "computes", partial(computes.list_computes, own)),
        Operation("Compute_Get", "GET", one, partial(computes.get_compute, own)),
        Operation("Compute_CreateOrUpdate", "PUT", one, partial(computes.put_compute, own)),
        Operation("Compute_Delete", "DELETE", one, partial(computes.delete_compute, own)),
        Operation("VirtualMachineSizes_List", "GET", f"{_LOCATION}/vmSizes", computes.list_sizes),
        Operation("Usages_List", "GET", f"{_LOCATION}/usages", computes.list_usages),
    ]


def _tracking_operation(method: str, path: str, handler: Handler) -> Operation:
    return Operation(f"Mlflow_{path}", method, f"/mlflow/v1.0{{workspace}}/api/2.0/mlflow/{path}", handler)


def _asset_operations(state: State, kind: str) -> list[Operation]:
    word = kind.rstrip("s").capitalize()

    def bound(function: Callable[[assets.Assets, str, Call], Reply]) -> Handler:
        return partial(function, state.assets, kind)

    one, many = f"{kind}/{{name}}/versions/{{version}}", f"{kind}/{{name}}/versions"
    return [
        Operation(f"{word}Versions_Get", "GET", one, bound(assets.get_version)),
        Operation(f"{word}Versions_CreateOrUpdate", "PUT", one, bound(assets.put_version)),
        Operation(f"{word}Versions_Delete", "DELETE", one, bound(assets.delete_version)),
        Operation(f"{word}Versions_List", "GET", many, bound(assets.list_versions)),
        Operation(f"{word}Containers_Get", "GET", f"{kind}/{{name}}", bound(assets.get_container)),
        Operation(f"{word}Containers_CreateOrUpdate", "PUT", f"{kind}/{{name}}", bound(assets.put_container)),
        Operation(f"{word}Containers_List", "GET", kind, bound(assets.list_containers)),
    ]


def _job_operations(state: State) -> list[Operation]:
    runs = "/history/v1.0{workspace}"
    data = "/data/v1.0{workspace}"
    return [
        Operation("Jobs_Get", "GET", "jobs/{name}", partial(jobs.get_job, state.jobs)),
        Operation("Jobs_CreateOrUpdate", "PUT", "jobs/{name}", partial(jobs.put_job, state.jobs, state.runner)),
        Operation("Jobs_Delete", "DELETE", "jobs/{name}", partial(jobs.delete_job, state.jobs)),
        Operation("Jobs_List", "GET", "jobs", partial(jobs.list_jobs, state.jobs)),
        Operation("Jobs_Cancel", "POST", "jobs/{name}/cancel", partial(jobs.cancel_job, state.jobs, state.runner)),
        Operation(
            "Jobs_CancelResult", "GET", "jobs/{name}/operationResults/cancel", partial(jobs.cancel_result, state.jobs)
        ),
        Operation(
            "Runs_GetDetails",
            "GET",
            f"{runs}/runs/{{name}}/details",
            partial(history.get_details, state.jobs, state.guard),
        ),
        Operation("Runs_GetRunData", "POST", f"{runs}/rundata", partial(history.get_run_data, state.jobs)),
        Operation("Runs_Get", "GET", f"{runs}/runs/{{name}}", partial(history.get_run, state.jobs)),
        Operation("Runs_GetChild", "GET", f"{runs}/runs/{{name}}/children", partial(history.list_children, state.jobs)),
        Operation(
            "RunServices_Get",
            "GET",
            f"{runs}/runs/{{name}}/serviceinstances/{{node}}",
            partial(history.get_services, state.jobs),
        ),
        Operation("Runs_Modify", "PATCH", f"{runs}/runs/{{name}}", partial(history.patch_run, state.jobs)),
        Operation(
            "Runs_ModifyByExperiment",
            "PATCH",
            f"{runs}/experiments/{{experiment}}/runs/{{name}}",
            partial(history.patch_run, state.jobs),
        ),
        Operation(
            "DataVersion_BatchGetResolvedUris",
            "POST",
            f"{data}/dataversion/batchGetResolvedUris",
            partial(history.resolve_uris, state.locator),
        ),
    ]


def _endpoint_operations(state: State) -> list[Operation]:
    one = "onlineEndpoints/{name}"
    many = "onlineEndpoints/{endpoint}/deployments"
    slot = f"{many}/{{name}}"
    own, theirs, work = state.endpoints, state.deployments, state.deployer
    return [
        Operation("OnlineEndpoints_List", "GET", "onlineEndpoints", partial(endpoints.list_endpoints, own)),
        Operation("OnlineEndpoints_Get", "GET", one, partial(endpoints.get_endpoint, own)),
        Operation("OnlineEndpoints_CreateOrUpdate", "PUT", one, partial(endpoints.put_endpoint, own)),
        Operation("OnlineEndpoints_Update", "PATCH", one, partial(endpoints.patch_endpoint, own)),
        Operation("OnlineEndpoints_Delete", "DELETE", one, partial(deployment_calls.delete_endpoint, work)),
        Operation("OnlineEndpoints_ListKeys", "POST", f"{one}/listKeys", partial(keys.list_keys, own)),
        Operation(
            "OnlineEndpoints_RegenerateKeys", "POST", f"{one}/regenerateKeys", partial(keys.regenerate_keys, own)
        ),
        Operation("OnlineEndpoints_GetToken", "POST", f"{one}/token", partial(keys.get_token, own)),
        Operation("OnlineDeployments_List", "GET", many, partial(deployment_calls.list_deployments, theirs)),
        Operation("OnlineDeployments_Get", "GET", slot, partial(deployment_calls.get_deployment, theirs)),
        Operation("OnlineDeployments_CreateOrUpdate", "PUT", slot, partial(deployment_calls.put_deployment, work)),
        Operation("OnlineDeployments_Update", "PATCH", slot, partial(deployment_calls.patch_deployment, work)),
        Operation("OnlineDeployments_Delete", "DELETE", slot, partial(deployment_calls.delete_deployment, work)),
        Operation("OnlineDeployments_GetLogs", "POST", f"{slot}/getLogs", partial(deployment_calls.get_logs, work)),
    ]


def _monitor_operations(state: State) -> list[Operation]:
    found = [
        Operation(
            "MetricsBatch_Batch",
            "POST",
            "/subscriptions/{subscription}/metrics:getBatch",
            partial(monitor.post_batch, state),
        )
    ]
    endpoint = "onlineEndpoints/{name}"
    for resource in (endpoint, f"{endpoint}/deployments/{{deployment}}"):
        base = f"{resource}/providers/Microsoft.Insights"
        found += [
            Operation("Metrics_List", "GET", f"{base}/metrics", partial(monitor.get_metrics, state)),
            Operation(
                "MetricDefinitions_List", "GET", f"{base}/metricDefinitions", partial(monitor.get_definitions, state)
            ),
        ]
    return found


def _operation_operations(state: State) -> list[Operation]:
    return [
        Operation(
            "Operations_GetStatus",
            "GET",
            f"{_LOCATION}/mfeOperationsStatus/{{operation}}",
            partial(operations.get_status, state.operations),
        ),
        Operation(
            "Operations_GetResult",
            "GET",
            f"{_LOCATION}/mfeOperationResults/{{operation}}",
            partial(operations.get_result, state.operations),
        ),
    ]


def _start_upload(state: State, call: Call) -> Reply:
    # A container of its own for a code's files.
    container = f"code-{secrets.token_hex(12)}"
    uri = state.place.blob_url(container)
    return Reply(
        body={
            "pendingUploadId": container,
            "pendingUploadType": "TemporaryBlobReference",
            "blobReferenceForConsumption": {
                "blobUri": uri,
                "storageAccountArmId": f"{state.place.id}/datastores/workspaceblobstore",
                "credential": {"credentialType": "SAS", "sasUri": f"{uri}?{state.guard.sas(container)}"},
            },
        }
    )
