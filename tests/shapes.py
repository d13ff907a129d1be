"""Is an answer of the control plane one that Azure could have given? Judged by the SDK's own generated models.

The SDK reads answers leniently; this reads them strictly: what a model declares must be there unless it may be
absent, with the declared type, and words from the declared list. Null is allowed anywhere, and so are properties
that the model does not know, for the service sends both. Beside the models stand the rules of ARM that no model
tells: statuses, headers of long-running operations, ids, the shape of errors.
"""

from __future__ import annotations

import importlib.util
import json
import re
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import Enum
from typing import Any
from urllib.parse import urlsplit

import published

_ARM = "azure.ai.ml._restclient.arm_ml_service"
_HISTORY = "azure.ai.ml._restclient.runhistory"
_PROVIDER = "Microsoft.MachineLearningServices"
_WORKSPACE = rf"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/{re.escape(_PROVIDER)}/workspaces/[^/]+"
_ASSETS = {"codes": "Code", "environments": "Environment", "data": "Data", "models": "Model"}
# Declared as always there, for who sends it; the service never shows it.
_WRITE_ONLY = frozenset({"properties.credentials.secrets"})
_DURATION = re.compile(r"P(?=.)(\d+(\.\d+)?D)?(T(?=.)(\d+(\.\d+)?H)?(\d+(\.\d+)?M)?(\d+(\.\d+)?S)?)?")

# The model of each resource; a list has an array of them. The first pattern that fits counts.
SINGLE: list[tuple[str, str]] = [
    ("", "Workspace"),
    (r"/datastores/[^/]+", "Datastore"),
    (r"/computes/[^/]+", "ComputeResource"),
    (r"/jobs/[^/]+", "JobBase"),
    (r"/onlineEndpoints/[^/]+", "OnlineEndpoint"),
    (r"/onlineEndpoints/[^/]+/deployments/[^/]+", "OnlineDeployment"),
    *((rf"/{kind}/[^/]+", f"{word}Container") for kind, word in _ASSETS.items()),
    *((rf"/{kind}/[^/]+/versions/[^/]+", "DataVersionBase" if kind == "data" else f"{word}Version")
      for kind, word in _ASSETS.items()),
]  # fmt: skip
ACTIONS: list[tuple[str, str]] = [
    (r"/onlineEndpoints/[^/]+/listKeys", "EndpointAuthKeys"),
    (r"/onlineEndpoints/[^/]+/token", "EndpointAuthToken"),
    (r"/onlineEndpoints/[^/]+/deployments/[^/]+/getLogs", "DeploymentLogs"),
    (r"/datastores/[^/]+/listSecrets", "DatastoreSecrets"),
    (r"/codes/[^/]+/versions/[^/]+/startPendingUpload", "PendingUploadResponseDto"),
]
HISTORY: list[tuple[str, str]] = [
    (r"/history/v1\.0.*/runs/[^/]+/details", "RunDetails"),
    (r"/history/v1\.0.*/runs/[^/]+", "Run"),
    (r"/history/v1\.0.*/rundata", "GetRunDataResult"),
]


@dataclass(frozen=True)
class Exchange:
    """One request and its answer; header names in lower case, `body` None where there was none."""

    method: str
    url: str
    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def path(self) -> str:
        return urlsplit(self.url).path

    def __str__(self) -> str:
        return f"{self.method} {self.path} {self.status}"


def of_line(line: str) -> Exchange:
    """Return the exchange that a line of the workspace's tape (local/control/exchange_log.py) is about."""
    return Exchange(**json.loads(line))


def can_judge() -> bool:
    """Whether this release of the SDK has its models in one place; older ones have not."""
    return importlib.util.find_spec(_ARM) is not None


def is_control(url: str) -> bool:
    """Whether an address is one of the control plane or of run history."""
    return re.match(r"/(subscriptions|history)/", urlsplit(url).path) is not None


def faults(exchange: Exchange) -> list[str]:
    """Return what is wrong with an answer, in words; nothing when it could be Azure's."""
    found = _error_faults(exchange) if exchange.status >= 400 else [*_header_faults(exchange), *_body_faults(exchange)]
    asked = exchange.method, exchange.url, exchange.status, exchange.headers, exchange.body
    return [f"{exchange}: {each}" for each in (*found, *published.faults(*asked))]


def _error_faults(exchange: Exchange) -> Iterator[str]:
    error = exchange.body.get("error") if isinstance(exchange.body, dict) else None
    if not isinstance(error, dict):
        yield "an error without a body {error: {...}}"
        return
    for key in ("code", "message"):
        if not isinstance(error.get(key), str) or not error[key]:
            yield f"error.{key} is {error.get(key)!r}"
    yield from strict(_model(_ARM, "ErrorResponse"), exchange.body)


def _header_faults(exchange: Exchange) -> Iterator[str]:
    below = re.sub(_WORKSPACE, "", exchange.path, count=1, flags=re.I)
    allowed = {"GET": (200, 202), "PUT": (200, 201), "DELETE": (200, 202, 204), "PATCH": (200, 202), "POST": (200, 202)}
    if exchange.status not in allowed.get(exchange.method, ()):
        yield f"a {exchange.method} is not answered with {exchange.status}"
    if exchange.status == 202 and "location" not in exchange.headers:
        yield "a 202 without Location"
    if re.fullmatch(r"/onlineEndpoints/[^/]+(/deployments/[^/]+)?", below) and exchange.method == "PUT":
        state = exchange.body["properties"]["provisioningState"]
        if state != "Succeeded" and "azure-asyncoperation" not in exchange.headers:
            yield f"a PUT that is {state} without Azure-AsyncOperation"
    if exchange.body is not None and "application/json" not in exchange.headers.get("content-type", ""):
        yield f"JSON as {exchange.headers.get('content-type')}"


def _body_faults(exchange: Exchange) -> Iterator[str]:
    below = re.sub(_WORKSPACE, "", exchange.path, count=1, flags=re.I) if "/workspaces/" in exchange.path else "-"
    if exchange.path.startswith("/history/"):
        for pattern, name in HISTORY:
            if re.fullmatch(pattern, exchange.path):
                yield from strict(_model(_HISTORY, name), exchange.body)
                return
    elif "/mfeOperationsStatus/" in exchange.path:
        yield from _operation_faults(exchange.body)
    elif exchange.method in ("GET", "PUT", "PATCH") and exchange.status in (200, 201):
        for pattern, name in SINGLE:
            if re.fullmatch(pattern, below):
                yield from strict(_model(_ARM, name), exchange.body)
                yield from _identity_faults(exchange, below)
                return
            many = re.sub(r"/\[\^/\]\+$", "", pattern)
            if many != pattern and re.fullmatch(many, below) and exchange.method == "GET":
                yield from _list_faults(exchange.body, name)
                return
    elif exchange.method == "POST" and exchange.status == 200:
        for pattern, name in ACTIONS:
            if re.fullmatch(pattern, below):
                yield from strict(_model(_ARM, name), exchange.body)


def _operation_faults(body: Any) -> Iterator[str]:
    states = ("NotStarted", "InProgress", "Updating", "Succeeded", "Failed", "Canceled")
    if not isinstance(body, dict) or body.get("status") not in states:
        yield f"the status of an operation is one of {states}"
    elif body["status"] == "Failed" and not (body.get("error") or {}).get("message"):
        yield "a failed operation without a reason"


def _list_faults(body: Any, name: str) -> Iterator[str]:
    if not isinstance(body, dict) or not isinstance(body.get("value"), list):
        yield "a list without value"
        return
    if not isinstance(body.get("nextLink"), str | None):
        yield "nextLink is no text"
    for index, each in enumerate(body["value"]):
        yield from strict(_model(_ARM, name), each, f"value[{index}]")


def _identity_faults(exchange: Exchange, below: str) -> Iterator[str]:
    body = exchange.body
    if str(body.get("id", "")).lower() != exchange.path.rstrip("/").lower() and "latest" not in below:
        yield f"the id {body.get('id')} is not the path"
    if below and body.get("name") != exchange.path.rstrip("/").split("/")[-1]:
        yield f"the name {body.get('name')!r} is not the last part of the path"
    wanted = "/".join((_PROVIDER, "workspaces", *below.strip("/").split("/")[0::2])).rstrip("/")
    if str(body.get("type", "")).lower() != wanted.lower():
        yield f"the type {body.get('type')!r} is not {wanted}"


def _model(package: str, name: str) -> Any:
    return getattr(importlib.import_module(f"{package}.models._models"), name)


def strict(model: Any, value: Any, where: str = "") -> Iterator[str]:
    """Give what of a value breaks a generated model of the SDK."""
    if not isinstance(value, Mapping):
        yield f"{where or 'the body'} is no object"
        return
    model = _concrete(model, value)
    package = importlib.import_module(model.__module__.rpartition(".")[0])
    scope = {**vars(typing), **vars(package), "_models": package, "datetime": importlib.import_module("datetime")}
    for kind in reversed(model.__mro__):
        for attribute, annotation in vars(kind).get("__annotations__", {}).items():
            field = vars(kind).get(attribute)
            if type(field).__name__ != "_RestField":
                continue
            name = getattr(field, "_rest_name_input", None) or attribute
            expected = typing.get_type_hints(types.SimpleNamespace(__annotations__={attribute: annotation}), scope)
            yield from _typed(expected[attribute], value.get(name), f"{where}.{name}".strip("."), name in value)


def _concrete(model: Any, value: Mapping[str, Any]) -> Any:
    """Return the model that the value's discriminator names."""
    for kind in model.__mro__:
        for attribute, field in vars(kind).items():
            if getattr(field, "_is_discriminator", False) is True:
                word = value.get(getattr(field, "_rest_name_input", None) or attribute)
                found = model.__mapping__.get(word) if "__mapping__" in vars(model) else None
                return _concrete(found, value) if found is not None and found is not model else model
    return model


def _typed(expected: Any, value: Any, where: str, there: bool) -> Iterator[str]:
    choices = typing.get_args(expected) if typing.get_origin(expected) in (typing.Union, types.UnionType) else ()
    if value is None:
        hidden = re.sub(r"^value\[\d+\]\.", "", where) in _WRITE_ONLY
        if not there and type(None) not in choices and not hidden:
            yield f"{where} is missing"
        return
    if choices:
        words = [each for each in choices if isinstance(each, type) and issubclass(each, Enum)]
        known = {str(member.value) for each in words for member in each}
        if words and value not in known:
            yield f"{where} is {value!r}, not one of {sorted(known)}"
        rest = [each for each in choices if each is not type(None) and each not in words]
        if not words and all(list(_typed(each, value, where, True)) for each in rest):
            yield from _typed(rest[0], value, where, True)
    elif typing.get_origin(expected) in (dict, list):
        inner = typing.get_args(expected)[-1]
        if not isinstance(value, typing.get_origin(expected)):
            yield f"{where} is {value!r}, no {typing.get_origin(expected).__name__}"
            return
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, each in items:
            yield from _typed(inner, each, f"{where}[{key}]", True)
    elif hasattr(expected, "__mro__") and any(each.__name__ == "Model" for each in expected.__mro__):
        yield from strict(expected, value, where)
    elif not _plain(expected, value):
        yield f"{where} is {value!r}, no {getattr(expected, '__name__', expected)}"


def _plain(expected: Any, value: Any) -> bool:
    if expected in (datetime, date):
        try:
            return datetime.fromisoformat(value) is not None
        except (TypeError, ValueError):
            return False
    if expected is timedelta:
        return isinstance(value, str) and _DURATION.fullmatch(value) is not None
    if isinstance(expected, type) and issubclass(expected, Enum):
        return value in {member.value for member in expected}
    if expected is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if expected in (int, str, bool):
        return type(value) is expected
    return True
