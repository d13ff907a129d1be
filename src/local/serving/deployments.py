"""Online deployments: what is asked for, what is refused, and what is shown."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from local.errors import Invalid, NotFound, Unsupported
from local.routing import traffic
from local.serving.asset_cache import AssetCache
from local.serving.endpoints import Endpoints
from local.serving.spec import DeploymentSpec, Probe
from local.storage.store import Document
from local.wire import durations, names
from local.wire.call import Json, system_data
from local.wire.operations import Operations

# The code of a deployment that brings none: the service has such a script for MLflow models.
WITHOUT_SCRIPT = Path(__file__).with_name("without_script")
MAX_DEPLOYMENTS = 20
MAX_INSTANCES = 50
MAX_TIMEOUT_SECONDS = 180
_PROBE = {"initialDelay": "PT10S", "period": "PT10S", "timeout": "PT2S", "successThreshold": 1, "failureThreshold": 30}
_DEFAULTS: dict[str, Json] = {
    "livenessProbe": _PROBE,
    "readinessProbe": _PROBE,
    "requestSettings": {"requestTimeout": "PT5S", "maxConcurrentRequestsPerInstance": 1, "maxQueueWait": "PT0.5S"},
    "scaleSettings": {"scaleType": "Default"},
}


class Deployments:
    """The deployments in the store."""

    def __init__(self, endpoints: Endpoints, operations: Operations, cache: AssetCache) -> None:
        self.endpoints = endpoints
        self.place = endpoints.place
        self.store = endpoints.store
        self.operations = operations
        self.cache = cache
        self.assets = cache.assets

    def get(self, endpoint: str, name: str) -> Document:
        self.endpoints.get(endpoint)
        document = self.store.get("deployments", f"{endpoint}/{name}")
        if document is None:
            raise NotFound("Deployment", f"Online deployment with name: {name} not found on endpoint {endpoint}.")
        return document

    def put(self, endpoint: str, name: str, body: Json) -> tuple[Document, str]:
        """Accept a deployment, new or in place of the old one. Returns it and its operation."""
        traffic.check_name("deployment", name)
        with self.store.transaction():
            self.endpoints.get(endpoint)
            # One that is being deleted takes nothing new: it would be left without its endpoint.
            self.operations.check_idle(self.endpoints.resource(endpoint))
            old = self.store.get("deployments", f"{endpoint}/{name}")
            if old is None and len(self.endpoints.deployments(endpoint)) >= MAX_DEPLOYMENTS:
                raise Invalid(f"An endpoint has at most {MAX_DEPLOYMENTS} deployments.")
            properties = _normal(body["properties"])
            sku = {"name": "Default", "tier": "Standard", "capacity": 1} | (body.get("sku") or {})
            self._check(name, properties, sku)
            names.check_tags(f"Deployment {name}", body.get("tags") or {})
            operation = self.operations.begin(resource(endpoint, name), "od")
            kept = {"serving": old.body.get("serving")} if old else {}
            document = self.store.put(
                "deployments",
                f"{endpoint}/{name}",
                kept
                | {
                    "endpoint": endpoint,
                    "name": name,
                    "properties": properties,
                    "tags": body.get("tags") or {},
                    "sku": sku,
                    "state": "Creating" if old is None else "Updating",
                    "operation": operation,
                },
                mark=endpoint,
            )
        return document, operation

    def change(self, document: Document, **changes: Any) -> Document:
        with self.store.transaction():
            body = self.get(document.body["endpoint"], document.body["name"]).body | changes
            return self.store.put("deployments", document.name, body, mark=body["endpoint"])

    def render(self, document: Document) -> Json:
        body = document.body
        path = self.place.deployment_id(body["endpoint"], body["name"])
        url = self.operations.status_url(body["operation"])
        base: Json = {"description": None, "codeConfiguration": None, "environmentId": None, "modelMountPath": None}
        shown = base | body["properties"]
        shown["properties"] = (shown.get("properties") or {}) | {"AzureAsyncOperationUri": url}
        return {
            "id": path,
            "name": body["name"],
            "type": "Microsoft.MachineLearningServices/workspaces/onlineEndpoints/deployments",
            "properties": shown | {"provisioningState": body["state"]},
            "systemData": system_data(document),
            "tags": body["tags"],
            "location": self.place.location,
            "kind": "Managed",
            "sku": body["sku"],
        }

    def _check(self, name: str, properties: Json, sku: Json) -> None:
        """Refuse, before anything is started, what cannot work."""
        if properties["endpointComputeType"] != "Managed":
            raise Unsupported(f"deployments of compute type {properties['endpointComputeType']}")
        count = sku["capacity"]
        if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= MAX_INSTANCES:
            raise Invalid(f"The instance count must be 1 to {MAX_INSTANCES}, not {count!r}.")
        if properties["scaleSettings"]["scaleType"] != "Default":
            raise Unsupported("scale settings other than Default on managed deployments")
        model = self.assets.resolve("models", properties["model"]) if properties.get("model") else None
        code = properties.get("codeConfiguration") or {}
        if properties.get("codeConfiguration") is not None and not code.get("scoringScript"):
            raise Invalid(f"The code configuration of deployment '{name}' needs a scoring script.")
        if not code.get("scoringScript"):
            kind = model.body["properties"].get("modelType") if model else None
            if kind != "mlflow_model":
                raise Unsupported(f"deployments of {kind or 'no model'} without a scoring script (deployment '{name}')")
        if code.get("codeId"):
            self.assets.resolve("codes", code["codeId"])
        if properties.get("environmentId"):
            self.assets.check_environment(properties["environmentId"])
        names.check_variables(properties["environmentVariables"])
        settings = self._spec_settings(properties)
        for kind in ("liveness", "readiness"):
            _check_probe(f"The {kind} probe of deployment '{name}'", settings[kind])
        if settings["max_concurrent_requests_per_instance"] < 1:
            raise Invalid(f"Deployment '{name}' must take at least one request at a time in each instance.")
        timeout = durations.seconds(properties["requestSettings"]["requestTimeout"])
        if not 0 < timeout <= MAX_TIMEOUT_SECONDS:
            raise Invalid(f"The request timeout must be over 0 and at most {MAX_TIMEOUT_SECONDS} s, not {timeout:g} s.")

    def spec(self, endpoint: str, name: str, wanted: Json) -> DeploymentSpec:
        properties = wanted["properties"]
        code = properties.get("codeConfiguration") or {}
        # A probe is part of what runs, as it is of a pod: an instance keeps those that it was started with.
        parts = ("model", "codeConfiguration", "environmentVariables", "livenessProbe", "readinessProbe")
        own = {key: properties.get(key) for key in parts}
        generation = hashlib.sha256(json.dumps(own, sort_keys=True).encode()).hexdigest()[:12]
        model_dir, code_dir = None, WITHOUT_SCRIPT if not code.get("scoringScript") else None
        if properties.get("model"):
            model_dir = self.cache.model_folder(properties["model"])
        if code.get("codeId"):
            code_dir = self.cache.code_folder(code["codeId"])
        variables = {str(key): str(value) for key, value in (properties.get("environmentVariables") or {}).items()}
        return DeploymentSpec(
            endpoint=endpoint,
            name=name,
            generation=generation,
            model_dir=model_dir,
            code_dir=code_dir,
            entry_script=code.get("scoringScript") or "score.py",
            environment_variables=variables,
            instance_count=wanted["sku"]["capacity"],
            **self._spec_settings(properties),
        )

    def _spec_settings(self, properties: Json) -> dict[str, Any]:
        request = properties["requestSettings"]
        return {
            "request_timeout_ms": round(durations.seconds(request["requestTimeout"]) * 1000),
            "max_concurrent_requests_per_instance": int(request["maxConcurrentRequestsPerInstance"]),
            "max_queue_wait_ms": round(durations.seconds(request["maxQueueWait"]) * 1000),
            "liveness": _probe(properties["livenessProbe"]),
            "readiness": _probe(properties["readinessProbe"]),
        }


def _normal(properties: Json) -> Json:
    """Return the properties with the service's defaults in place of what is not set."""
    normal = {key: value for key, value in properties.items() if value is not None}
    for key, base in _DEFAULTS.items():
        given = {name: value for name, value in (normal.get(key) or {}).items() if value is not None}
        normal[key] = base | given
    normal.setdefault("endpointComputeType", "Managed")
    normal.setdefault("environmentVariables", {})
    normal.setdefault("instanceType", "Standard_DS3_v2")
    return normal | {"egressPublicNetworkAccess": normal.get("egressPublicNetworkAccess", "Enabled")}


def _probe(given: Json) -> Probe:
    return Probe(
        initial_delay=durations.seconds(given["initialDelay"]),
        period=durations.seconds(given["period"]),
        timeout=durations.seconds(given["timeout"]),
        success_threshold=int(given["successThreshold"]),
        failure_threshold=int(given["failureThreshold"]),
    )


def _check_probe(what: str, probe: Probe) -> None:
    """Refuse what no probe can be; the bounds are those of Kubernetes, which keeps them on Azure."""
    if min(probe.period, probe.timeout, probe.success_threshold, probe.failure_threshold) < 1:
        raise Invalid(f"{what} needs a period, a timeout (s) and thresholds of 1 or more.")


def resource(endpoint: str, name: str) -> str:
    return f"onlineEndpoints/{endpoint}/deployments/{name}"
