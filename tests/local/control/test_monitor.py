"""Azure Monitor's calls over the wire, as its client libraries send them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from local import launch

NAMESPACE = "Microsoft.MachineLearningServices/workspaces/onlineEndpoints"


@pytest.fixture(scope="module")
def resource(ml_client: Any, workspace: launch.Connection) -> str:
    """An endpoint that a stranger and its owner called once each, with no deployment to answer."""
    from azure.ai.ml.entities import ManagedOnlineEndpoint

    endpoint = ml_client.online_endpoints.begin_create_or_update(ManagedOnlineEndpoint(name="watched")).result()
    key = ml_client.online_endpoints.get_keys("watched").primary_key
    for token in ("wrong", key):
        requests.post(endpoint.scoring_uri, json={}, headers={"Authorization": f"Bearer {token}"}, timeout=10)
    return str(endpoint.id)


def ask(workspace: launch.Connection, method: str, path: str, **more: Any) -> requests.Response:
    headers = {"Authorization": f"Bearer {workspace.token()}"}
    return requests.request(
        method, workspace.arm + path, headers=headers, verify=workspace.ca_bundle, timeout=10, **more
    )


def span() -> tuple[str, str]:
    now = datetime.now(UTC)
    return (now - timedelta(minutes=5)).strftime("%Y-%m-%dT%H:%M:%S.000Z"), now.strftime("%Y-%m-%dT%H:%M:%S.999Z")


def counts(series: list[dict[str, Any]]) -> dict[str, float]:
    """Return the requests of each series by the value of its one dimension."""
    return {
        each["metadatavalues"][0]["value"]: sum(point.get("average", 0) for point in each["data"]) for each in series
    }


def test_the_resource_manager_answers_for_one_resource(workspace: launch.Connection, resource: str) -> None:
    """What azure-mgmt-monitor's metrics.list sends and reads."""
    query = {
        "timespan": "/".join(span()),
        "interval": "PT1M",
        "metricnames": "RequestsPerMinute,RequestLatency_P95",
        "aggregation": "Average",
        "$filter": "statusCode eq '*'",
        "api-version": "2024-02-01",
    }
    answer = ask(workspace, "GET", f"{resource}/providers/Microsoft.Insights/metrics", params=query)
    assert answer.status_code == 400, "RequestLatency_P95 does not split by status"
    query["metricnames"] = "RequestsPerMinute"
    body = ask(workspace, "GET", f"{resource}/providers/Microsoft.Insights/metrics", params=query).json()
    assert body["namespace"] == NAMESPACE
    assert body["interval"] == "PT1M"
    [metric] = body["value"]
    assert (metric["name"]["value"], metric["unit"]) == ("RequestsPerMinute", "Count")
    assert counts(metric["timeseries"]) == {"401": 1, "404": 1}


def test_the_batch_answers_for_several(workspace: launch.Connection, resource: str) -> None:
    """What azure-monitor-querymetrics' query_resources sends and reads."""
    start, end = span()
    query = {
        "starttime": start,
        "endtime": end,
        "interval": "PT1M",
        "metricnamespace": NAMESPACE,
        "metricnames": "RequestsPerMinute",
        "aggregation": "Average",
        "filter": "statusCode eq '*'",
        "api-version": "2024-02-01",
    }
    path = f"/subscriptions/{workspace.subscription_id}/metrics:getBatch"
    [found] = ask(workspace, "POST", path, params=query, json={"resourceids": [resource]}).json()["values"]
    assert found["resourceid"] == resource
    assert counts(found["value"][0]["timeseries"]) == {"401": 1, "404": 1}
    strange = resource.replace("watched", "nobody")
    assert ask(workspace, "POST", path, params=query, json={"resourceids": [strange]}).status_code == 404


def test_definitions_name_what_can_be_asked(workspace: launch.Connection, resource: str) -> None:
    """The metrics of an endpoint, with their dimensions."""
    body = ask(workspace, "GET", f"{resource}/providers/Microsoft.Insights/metricDefinitions").json()
    found = {each["name"]["value"]: [one["value"] for one in each["dimensions"]] for each in body["value"]}
    assert found["RequestsPerMinute"] == ["deployment", "statusCode", "statusCodeClass", "modelStatusCode"]
    assert set(found) == {"RequestsPerMinute", "RequestLatency"} | {f"RequestLatency_P{n}" for n in (50, 90, 95, 99)}


def test_metrics_are_for_the_owner(workspace: launch.Connection, resource: str) -> None:
    """Without the token there are none."""
    path = f"{workspace.arm}{resource}/providers/Microsoft.Insights/metrics"
    assert requests.get(path, verify=workspace.ca_bundle, timeout=10).status_code == 401
