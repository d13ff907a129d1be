"""The schema of each operation's body; the words are those of Azure's API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from local.wire.schema import Word

_WORDS = {"*": Word}
_ACCESS = frozenset({"Enabled", "Disabled"})
_IDENTITY = frozenset({"None", "SystemAssigned", "UserAssigned", "SystemAssigned,UserAssigned"})
_ASSET = {"description": str, "tags": _WORDS, "properties": _WORDS, "isArchived": bool, "isAnonymous": bool}
_PROBE = {"initialDelay": str, "period": str, "timeout": str, "successThreshold": int, "failureThreshold": int}
_RESOURCE = {
    "tags": _WORDS,
    "location": str,
    "kind": str,
    "identity": {"type": _IDENTITY, "userAssignedIdentities": {"*": dict}},
    "sku": {"name": str, "tier": str, "capacity": int},
}
_SHARES = {"*": int}
_MODEL = {"modelUri": str, "modelType": str, "jobName": str, "stage": str, "flavors": {"*": dict}}
_ENVIRONMENT = {
    "image": str,
    "condaFile": str,
    "osType": frozenset({"Linux", "Windows"}),
    "environmentType": str,
    "build": {"contextUri": str, "dockerfilePath": str},
}
_JOB = {
    "jobType": str,
    "command": str,
    "computeId": str,
    "codeId": str,
    "environmentId": str,
    "displayName": str,
    "experimentName": str,
    "environmentVariables": _WORDS,
    "inputs": {"*": {"jobInputType": str, "uri": str, "value": Word, "mode": str, "description": str}},
    "outputs": {"*": {"jobOutputType": str, "uri": str, "assetName": str, "assetVersion": str, "mode": str}},
    "limits": {"timeout": str},
    "resources": {"instanceCount": int, "instanceType": str, "shmSize": str, "dockerArgs": str, "properties": dict},
    "distribution": {"distributionType": str},
    "identity": {"identityType": str},
    "services": {"*": dict},
    "queueSettings": {"jobTier": str},
}
_ENDPOINT = {
    "authMode": str,
    "description": str,
    "properties": _WORDS,
    "traffic": _SHARES,
    "mirrorTraffic": _SHARES,
    "publicNetworkAccess": _ACCESS,
}
_DEPLOYMENT = {
    "endpointComputeType": str,
    "description": str,
    "properties": _WORDS,
    "model": str,
    "modelMountPath": str,
    "codeConfiguration": {"codeId": str, "scoringScript": str},
    "environmentId": str,
    "environmentVariables": _WORDS,
    "requestSettings": {"requestTimeout": str, "maxQueueWait": str, "maxConcurrentRequestsPerInstance": int},
    "livenessProbe": _PROBE,
    "readinessProbe": _PROBE,
    "scaleSettings": {"scaleType": str},
    "instanceType": str,
    "appInsightsEnabled": bool,
    "egressPublicNetworkAccess": _ACCESS,
}
_DATASTORE = {
    "datastoreType": str,
    "description": str,
    "tags": _WORDS,
    "properties": _WORDS,
    "accountName": str,
    "containerName": str,
    "fileShareName": str,
    "filesystem": str,
    "storeName": str,
    "endpoint": str,
    "protocol": str,
    "credentials": {"credentialsType": str, "secrets": {"*": str}},
}
_COMPUTE = {
    "computeType": str,
    "description": str,
    "properties": {
        "vmSize": str,
        "vmPriority": frozenset({"Dedicated", "LowPriority"}),
        "osType": frozenset({"Linux", "Windows"}),
        "scaleSettings": {"minNodeCount": int, "maxNodeCount": int, "nodeIdleTimeBeforeScaleDown": str},
    },
}
_RUN = {"displayName": str, "description": str, "hidden": bool, "tags": _WORDS, "properties": _WORDS}
# MLflow's numbers may be none, or without end.
_LOGGED = {
    "key": str,
    "value": (str, int, float, bool),
    "timestamp": (int, str),
    "step": (int, str),
    "run_id": str,
    "run_uuid": str,
}
_CONTAINER = {"properties": _ASSET | {"latestVersion": str, "nextVersion": str, "dataType": str}}

BODIES: Mapping[str, Any] = {
    "CodeVersions_CreateOrUpdate": {"properties": _ASSET | {"codeUri": str}},
    "EnvironmentVersions_CreateOrUpdate": {"properties": _ASSET | _ENVIRONMENT},
    "DataVersions_CreateOrUpdate": {"properties": _ASSET | {"dataUri": str, "dataType": str, "referencedUris": [str]}},
    "ModelVersions_CreateOrUpdate": {"properties": _ASSET | _MODEL},
    **{f"{word}Containers_CreateOrUpdate": _CONTAINER for word in ("Code", "Environment", "Data", "Model")},
    "Jobs_CreateOrUpdate": {"properties": _ASSET | _JOB},
    "OnlineEndpoints_CreateOrUpdate": _RESOURCE | {"properties": _ENDPOINT},
    "OnlineEndpoints_Update": _RESOURCE,
    "OnlineEndpoints_RegenerateKeys": {"keyType": str, "keyValue": str},
    "OnlineDeployments_CreateOrUpdate": _RESOURCE | {"properties": _DEPLOYMENT},
    "OnlineDeployments_Update": _RESOURCE,
    "OnlineDeployments_GetLogs": {"containerType": str, "tail": int},
    "Datastores_CreateOrUpdate": {"properties": _DATASTORE},
    "Compute_CreateOrUpdate": _RESOURCE | {"properties": _COMPUTE},
    "Runs_Modify": _RUN,
    "Runs_ModifyByExperiment": _RUN,
    "Runs_GetRunData": {"runId": str},
    "DataVersion_BatchGetResolvedUris": {"values": [str]},
    "MetricsBatch_Batch": {"resourceids": [str]},
    "Mlflow_runs/log-batch": {"run_id": str, "params": [_LOGGED], "metrics": [_LOGGED], "tags": [_LOGGED]},
    **{f"Mlflow_runs/{each}": _LOGGED for each in ("log-parameter", "log-metric", "set-tag")},
    "Mlflow_logged-models": {"experiment_id": str, "name": str},
    "Local_PutFaults": {"control": [dict], "scoring": [dict]},
}
