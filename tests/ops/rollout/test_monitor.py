"""What is asked of Azure Monitor, and how its series become counts."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from ops.rollout.monitor import Monitor


def series(deployment: str, status: str, model_status: str, *averages: float | None) -> Any:
    """Return a time series as azure-monitor-querymetrics has it."""
    values = {"deployment": deployment, "statusCode": status, "modelStatusCode": model_status}
    return SimpleNamespace(metadata_values=values, data=[SimpleNamespace(average=each) for each in averages])


class Metrics:
    """A client that answers with these series, and keeps what it was asked."""

    def __init__(self, *found: Any) -> None:
        self.found = found
        self.asked: dict[str, Any] = {}

    def query_resources(self, **asked: Any) -> Any:
        self.asked = asked
        return [SimpleNamespace(metrics=[SimpleNamespace(timeseries=list(self.found))])]


def test_every_status_of_the_model_is_split_and_counted() -> None:
    """Azure gives averages over what is not split: with one dimension left out, failures would be too few."""
    client = Metrics(
        series("blue", "200", "200", 90.0, None),
        series("blue", "424", "400", 30.0, 2.0),
        series("blue", "424", "500", 2.0, None),
        series("", "unknown", "", 7.0),
    )
    assert Monitor(client, "an-endpoint").requests(60, 180) == {("blue", 200): 90, ("blue", 424): 34}
    split = {clause.split(" eq ")[0] for clause in client.asked["filter"].split(" and ")}
    assert split == {"deployment", "statusCode", "modelStatusCode"}
    assert client.asked["aggregations"] == ["Average"]
