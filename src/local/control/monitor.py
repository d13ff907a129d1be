"""Azure Monitor's metrics of endpoints and deployments: one resource through ARM, several in a batch."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from local.errors import Invalid, NotFound
from local.routing import metrics
from local.wire import durations
from local.wire.call import Call, Json, Reply

if TYPE_CHECKING:
    from local.control.state import State

NAMESPACE = "Microsoft.MachineLearningServices/workspaces/onlineEndpoints"
_HOUR = 3600
_MAX_RESOURCES = 50
_RESOURCE = re.compile(r"/onlineEndpoints/([^/]+)(?:/deployments/([^/]+))?/?", re.I)


async def get_metrics(state: State, call: Call) -> Reply:
    """Answer the metrics of an endpoint or deployment. It runs in the event loop, where the counts are written."""
    query = _lower(call.query)
    start, end = _timespan(query.get("timespan", ""))
    asked = _query(query, start, end)
    endpoint, deployment = call["name"], call.params.get("deployment")
    values = _values(state, endpoint, deployment, asked)
    body = {
        "cost": 0,
        "timespan": f"{metrics.stamp(asked.start)}/{metrics.stamp(asked.end)}",
        "interval": query.get("interval") or "PT1M",
        "value": values,
        "namespace": _namespace(deployment),
        "resourceregion": state.place.location,
    }
    return Reply(body=body)


async def get_definitions(state: State, call: Call) -> Reply:
    """Answer which metrics there are, and by what they split."""
    deployment = call.params.get("deployment")
    resource = _check(state, call["name"], deployment)
    return Reply(
        body={
            "value": [
                {
                    "id": f"{resource}/providers/microsoft.insights/metricdefinitions/{each.name}",
                    "resourceId": resource,
                    "namespace": _namespace(deployment),
                    "name": {"value": each.name, "localizedValue": each.title},
                    "displayDescription": each.description,
                    "category": "Traffic",
                    "isDimensionRequired": False,
                    "unit": each.unit,
                    "primaryAggregationType": "Average",
                    "supportedAggregationTypes": [name.capitalize() for name in metrics.AGGREGATIONS],
                    "metricAvailabilities": [{"timeGrain": "PT1M", "retention": "P1D"}],
                    "dimensions": [{"value": name, "localizedValue": name} for name in each.dimensions],
                }
                for each in _definitions(deployment)
            ]
        }
    )


async def post_batch(state: State, call: Call) -> Reply:
    """Answer the metrics of several resources, as the regional metrics service does."""
    query = _lower(call.query)
    resources = call.document().get("resourceids")
    if not isinstance(resources, list) or not 0 < len(resources) <= _MAX_RESOURCES:
        raise Invalid(f"resourceids must name 1 to {_MAX_RESOURCES} resources", code="BadRequest")
    end = _moment(query["endtime"]) if query.get("endtime") else time.time()
    start = _moment(query["starttime"]) if query.get("starttime") else end - _HOUR
    asked = _query(query, start, end)
    values = []
    for resource in resources:
        below = str(resource)[len(state.place.id) :]
        match = _RESOURCE.fullmatch(below)
        if match is None or not str(resource).lower().startswith(state.place.id.lower()):
            raise NotFound("Resource", f"{resource} is no endpoint or deployment of this workspace.")
        values.append(
            {
                "starttime": metrics.stamp(start),
                "endtime": metrics.stamp(end),
                "interval": query.get("interval") or "PT1M",
                "namespace": _namespace(match[2]),
                "resourceregion": state.place.location,
                "resourceid": resource,
                "value": _values(state, match[1], match[2], asked),
            }
        )
    return Reply(body={"values": values})


def _values(state: State, endpoint: str, deployment: str | None, query: metrics.Query) -> list[Json]:
    resource = _check(state, endpoint, deployment)
    definitions = _definitions(deployment)
    first = math.floor(query.start / metrics.MINUTE) * metrics.MINUTE
    # The first minute may have begun before the span; it is told whole, as the service tells it.
    counted = [
        (minute, name, cell)
        for minute, (_, name), cell in state.router.telemetry.cells(endpoint, first, query.end)
        if deployment is None or name == deployment
    ]
    values = []
    for name in query.names or (definitions[0].name,):
        definition = metrics.find(definitions, name)
        values.append(
            {
                "id": f"{resource}/providers/Microsoft.Insights/metrics/{definition.name}",
                "type": "Microsoft.Insights/metrics",
                "name": {"value": definition.name, "localizedValue": definition.title},
                "displayDescription": definition.description,
                "unit": definition.unit,
                "timeseries": metrics.series(definition, query, counted),
                "errorCode": "Success",
            }
        )
    return values


def _check(state: State, endpoint: str, deployment: str | None) -> str:
    if deployment is None:
        state.endpoints.get(endpoint)
        return state.place.endpoint_id(endpoint)
    state.deployments.get(endpoint, deployment)
    return state.place.deployment_id(endpoint, deployment)


def _definitions(deployment: str | None) -> tuple[metrics.Definition, ...]:
    return metrics.ENDPOINT if deployment is None else metrics.DEPLOYMENT


def _namespace(deployment: str | None) -> str:
    return NAMESPACE if deployment is None else f"{NAMESPACE}/deployments"


def _query(query: Mapping[str, str], start: float, end: float) -> metrics.Query:
    top = query.get("top") or "10"
    if not top.isdecimal():
        raise Invalid(f"top must be a whole number, not {top!r}", code="BadRequest")
    interval = int(durations.seconds(query.get("interval") or "PT1M"))
    if interval < metrics.MINUTE:
        raise Invalid(f"interval must be PT1M or more, not {query.get('interval')}", code="BadRequest")
    return metrics.Query(
        names=_words(query.get("metricnames", "")),
        start=start,
        end=end,
        interval=interval,
        aggregations=tuple(word.lower() for word in _words(query.get("aggregation") or "average")),
        filter=query.get("$filter") or query.get("filter", ""),
        rolled_up=frozenset(word.lower() for word in _words(query.get("rollupby", ""))),
        top=int(top),
    )


def _timespan(text: str) -> tuple[float, float]:
    """Read a start and an end, or a start and a duration, or nothing: the last hour."""
    now = time.time()
    if not text:
        return now - _HOUR, now
    first, mark, second = text.partition("/")
    if not mark:
        return now - durations.seconds(first), now
    start = _moment(first)
    return (start, start + durations.seconds(second)) if second.startswith("P") else (start, _moment(second))


def _moment(text: str) -> float:
    try:
        # A + in an address reads as a blank.
        found = datetime.fromisoformat(text.strip().replace(" ", "+"))
    except ValueError as error:
        raise Invalid(f"{text!r} is not a time such as 2024-05-01T12:00:00Z", code="BadRequest") from error
    return found.replace(tzinfo=found.tzinfo or UTC).timestamp()


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _lower(query: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in query.items()}
