"""The router's counts as Azure Monitor tells them: metrics, dimensions, filters and time series. Pure.

Names, units and dimensions are those that Azure Monitor lists as supported for
Microsoft.MachineLearningServices/workspaces/onlineEndpoints and its deployments. A sample is one minute of one
combination of a metric's dimensions; what is asked for less finely is aggregated over its samples, so an Average of
RequestsPerMinute that is not split by every dimension is the mean of its parts, not their sum ("the Sum divided by the
Count", as Azure Monitor's page on aggregation has it). A minute without a request has no sample.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from local.errors import Invalid
from local.routing.telemetry import PERCENTILES, Cell, Latencies

MINUTE = 60
AGGREGATIONS = ("average", "total", "minimum", "maximum", "count")
MAX_POINTS = 24 * 60
# What the service gives when a filter splits and nothing else is asked for.
_TOP = 10
_CLAUSE = re.compile(r"\s*(?P<name>\w+)\s+(?P<op>eq|ne)\s+'(?P<value>[^']*)'\s*(?P<joint>and\b|or\b|$)", re.I)

Counted = tuple[int, str, Cell]
"""A minute (epoch seconds), a deployment, and what happened there."""


@dataclass(frozen=True)
class Definition:
    """One metric: how it is called, counted and split."""

    name: str
    title: str
    description: str
    unit: str
    dimensions: tuple[str, ...]
    samples: Callable[[_Minute], Sequence[float]]


def _percentile(percent: int, dimensions: tuple[str, ...]) -> Definition:
    return Definition(
        f"RequestLatency_P{percent}",
        f"Request Latency P{percent}",
        f"The average P{percent} request latency aggregated by all request latency values collected over the "
        "selected time period",
        "MilliSeconds",
        dimensions,
        lambda minute: [value] if (value := minute.latencies.percentile(percent)) is not None else [],
    )


def _requests(of: str, dimensions: tuple[str, ...]) -> Definition:
    description = f"The number of requests sent to online {of} within a minute"
    return Definition(
        "RequestsPerMinute",
        "Requests Per Minute",
        description,
        "Count",
        dimensions,
        lambda minute: minute.requests,
    )


ENDPOINT = (
    _requests("endpoint", ("deployment", "statusCode", "statusCodeClass", "modelStatusCode")),
    Definition(
        "RequestLatency",
        "Request Latency",
        "The average complete interval of time taken for a request to be responded in milliseconds",
        "MilliSeconds",
        ("deployment",),
        lambda minute: [minute.latencies.total / minute.latencies.count] if minute.latencies.count else [],
    ),
    *(_percentile(percent, ("deployment",)) for percent in PERCENTILES),
)
DEPLOYMENT = (
    _requests("deployment", ("envoy_response_code",)),
    *(_percentile(percent, ()) for percent in PERCENTILES),
)


@dataclass(frozen=True)
class Query:
    """What is asked: times in epoch seconds, the interval in whole minutes."""

    names: tuple[str, ...]
    start: float
    end: float
    interval: int = MINUTE
    aggregations: tuple[str, ...] = ("average",)
    filter: str = ""
    rolled_up: frozenset[str] = frozenset()
    top: int = _TOP

    def __post_init__(self) -> None:
        if self.start >= self.end or (self.end - self.start) / self.interval > MAX_POINTS:
            raise Invalid(f"The time span must have an end after its start and at most {MAX_POINTS} intervals")
        if self.interval < MINUTE or self.interval % MINUTE:
            raise Invalid("The interval must be a whole number of minutes, such as PT1M")
        if unknown := sorted(set(self.aggregations) - set(AGGREGATIONS)):
            raise Invalid(f"Unknown aggregation: {', '.join(unknown)}; there are {', '.join(AGGREGATIONS)}")


Condition = Mapping[str, list[tuple[bool, str]]]
"""By dimension, in lower case: whether to take the value or to leave it out, and the value."""


def parse_filter(text: str) -> Condition:
    """Read a filter such as "deployment eq 'green' and statusCode eq '*'".

    Raises:
        Invalid: it is not a filter, or `or` joins two dimensions.
    """
    found: dict[str, list[tuple[bool, str]]] = {}
    position, joint, before = 0, "", ""
    while position < len(text.rstrip()) or joint:
        match = _CLAUSE.match(text, position)
        if match is None:
            raise Invalid(f"The filter {text!r} is not usable from {text[position:][:40]!r} on: write name eq 'value'")
        name = match["name"].lower()
        if joint == "or" and name != before:
            raise Invalid(f"The filter {text!r} joins two dimensions with or: {before} and {name}")
        found.setdefault(name, []).append((match["op"].lower() == "eq", match["value"].lower()))
        position, joint, before = match.end(), match["joint"].lower(), name
    return found


def find(definitions: Iterable[Definition], name: str) -> Definition:
    known = {definition.name.lower(): definition for definition in definitions}
    if name.lower() not in known:
        valid = ",".join(definition.name for definition in definitions)
        raise Invalid(
            f"Failed to find metric configuration for metric: {name}. Valid metrics: {valid}", code="BadRequest"
        )
    return known[name.lower()]


def stamp(moment: float) -> str:
    """Return epoch seconds as Azure Monitor writes a time."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def series(definition: Definition, query: Query, counted: Iterable[Counted]) -> list[dict[str, Any]]:
    """Return the time series of a metric, one for each value of the dimensions that the filter names."""
    condition = parse_filter(query.filter)
    supported = {dimension.lower() for dimension in definition.dimensions}
    if unknown := sorted(set(condition) - supported):
        raise Invalid(
            f"Metric: {definition.name} does not support requested dimension combination: {','.join(unknown)}, "
            f"supported ones are: {','.join(sorted(supported))}",
            code="BadRequest",
        )
    shown = [dimension for dimension in condition if dimension not in query.rolled_up]
    merged: dict[tuple[str, ...], dict[int, _Minute]] = {}
    for minute, deployment, cell in counted:
        taken: set[tuple[str, ...]] = set()
        for values, requests in _samples(definition, deployment, cell):
            if all(_holds(condition[dimension], values[dimension]) for dimension in condition):
                key = tuple(values[dimension] for dimension in shown)
                found = merged.setdefault(key, {}).setdefault(minute, _Minute())
                found.requests.append(requests)
                if key not in taken:
                    # Latencies are not kept by status: a cell's count once, and only `deployment` splits them.
                    found.latencies.merge(cell.latencies)
                    taken.add(key)
    order = sorted(merged, key=lambda key: (-sum(sum(each.requests) for each in merged[key].values()), key))
    return [
        {
            "metadatavalues": [
                {"name": {"value": dimension, "localizedValue": dimension}, "value": value}
                for dimension, value in zip(shown, key, strict=True)
            ],
            "data": list(_points(definition, query, merged[key])),
        }
        for key in (order[: query.top] if shown else order)
    ]


@dataclass
class _Minute:
    """What a series has of one minute: the requests of each combination of dimensions, and all their latencies."""

    latencies: Latencies = field(default_factory=Latencies)
    requests: list[float] = field(default_factory=list)


def _samples(definition: Definition, deployment: str, cell: Cell) -> Iterator[tuple[dict[str, str], int]]:
    """Yield the requests of each combination of the metric's dimensions that occurred."""
    counts: Counter[tuple[tuple[str, str], ...]] = Counter()
    for (status, model_status), requests in cell.requests.items():
        code = str(status)
        values = {
            "deployment": deployment,
            "statuscode": code,
            "statuscodeclass": f"{code[0]}xx",
            "modelstatuscode": "" if model_status is None else str(model_status),
            "envoy_response_code": code,
        }
        counts[tuple((name.lower(), values[name.lower()]) for name in definition.dimensions)] += requests
    for combination, requests in counts.items():
        yield dict(combination), requests


def _holds(clauses: list[tuple[bool, str]], value: str) -> bool:
    wanted = [each for take, each in clauses if take]
    refused = [each for take, each in clauses if not take]
    return value.lower() not in refused and (not wanted or "*" in wanted or value.lower() in wanted)


def _points(definition: Definition, query: Query, minutes: Mapping[int, _Minute]) -> Iterator[dict[str, Any]]:
    first = int(query.start // MINUTE) * MINUTE
    for begin in range(first, int(-(-query.end // 1)), query.interval):
        inside = [minutes[minute] for minute in range(begin, begin + query.interval, MINUTE) if minute in minutes]
        values = [value for each in inside for value in definition.samples(each)]
        point: dict[str, Any] = {"timeStamp": stamp(begin)}
        if values:
            total = sum(values)
            figures = (total / len(values), total, min(values), max(values), len(values))
            point |= {
                name: float(value)
                for name, value in zip(AGGREGATIONS, figures, strict=True)
                if name in query.aggregations
            }
        yield point
