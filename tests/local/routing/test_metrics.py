"""Azure Monitor's view of the counts: filters, splits, intervals."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.errors import Invalid
from local.routing.metrics import DEPLOYMENT, ENDPOINT, Counted, Query, find, parse_filter, series
from local.routing.telemetry import Telemetry


def counted(*rows: tuple[int, str, int, int | None, float]) -> list[Counted]:
    """Count (minute, deployment, status, model status, milliseconds)."""
    now = 0.0
    telemetry = Telemetry(lambda: now)
    for minute, deployment, status, model_status, milliseconds in rows:
        now = minute * 60.0
        telemetry.record("endp", deployment, status, model_status, milliseconds / 1000)
    return [(minute, name, cell) for minute, (_, name), cell in telemetry.cells("endp", 0, 1e9)]


ROWS = counted(
    (0, "blue", 200, 200, 10),
    (0, "blue", 200, 200, 30),
    (0, "blue", 424, 500, 50),
    (0, "green", 200, 200, 5),
    (2, "green", 408, None, 100),
)


def ask(name: str, filter: str = "", **more: Any) -> dict[tuple[str, ...], list[float | None]]:
    """Return the averages of each series by its dimensions' values."""
    query = Query((name,), 0, more.pop("end", 180), filter=filter, **more)
    return {
        tuple(each["value"] for each in found["metadatavalues"]): [point.get("average") for point in found["data"]]
        for found in series(find(ENDPOINT, name), query, ROWS)
    }


def test_without_a_filter_there_is_one_series() -> None:
    """All deployments and statuses together, a value a minute, none where nothing was asked."""
    assert ask("RequestsPerMinute") == {(): [pytest.approx(4 / 3), None, 1.0]}


def test_an_average_is_over_what_is_not_split() -> None:
    """Two failures of one kind and four of another are three on average, and six in total."""
    rows = counted(*[(0, "blue", 424, 400, 1)] * 4, *[(0, "blue", 424, 500, 1)] * 2)
    query = Query(("RequestsPerMinute",), 0, 60, 60, ("average", "total"), "deployment eq '*' and statusCode eq '*'")
    [found] = series(find(ENDPOINT, "RequestsPerMinute"), query, rows)
    assert found["data"] == [{"timeStamp": "1970-01-01T00:00:00Z", "average": 3.0, "total": 6.0}]


def test_a_star_splits() -> None:
    """One series for each pair of values that occurred, in the order of the filter's names."""
    assert ask("RequestsPerMinute", "deployment eq '*' and statusCode eq '*'") == {
        ("blue", "200"): [2.0, None, None],
        ("blue", "424"): [1.0, None, None],
        ("green", "200"): [1.0, None, None],
        ("green", "408"): [None, None, 1.0],
    }


def test_what_is_no_dimension_of_a_metric_divides_nothing() -> None:
    """A deployment's requests know no status of the model: six failures are one sample of six."""
    rows = counted(*[(0, "blue", 424, 400, 1)] * 4, *[(0, "blue", 424, 500, 1)] * 2)
    query = Query(("RequestsPerMinute",), 0, 60, 60, ("average", "count"), "envoy_response_code eq '*'")
    [found] = series(find(DEPLOYMENT, "RequestsPerMinute"), query, rows)
    assert found["data"] == [{"timeStamp": "1970-01-01T00:00:00Z", "average": 6.0, "count": 1.0}]


def test_what_a_filter_leaves_out_is_not_counted() -> None:
    """eq takes, ne refuses, or joins values of one dimension; letters count the same in either case."""
    assert ask("RequestsPerMinute", "deployment eq 'GREEN' and statusCodeClass ne '2xx'") == {
        ("green", "4xx"): [None, None, 1.0]
    }
    both = ask("RequestsPerMinute", "DEPLOYMENT eq 'blue' or deployment eq 'green'")
    assert both == {("blue",): [1.5, None, None], ("green",): [1.0, None, 1.0]}


def test_the_containers_status_is_a_dimension() -> None:
    """A 424 tells what the model said; a time-out has no status of the model."""
    found = ask("RequestsPerMinute", "statusCode eq '*' and modelStatusCode eq '*'")
    assert found["424", "500"] == [1.0, None, None]
    assert found["408", ""] == [None, None, 1.0]


def test_rolled_up_dimensions_filter_and_do_not_split() -> None:
    """The dimension decides what is counted, and its values come together."""
    found = ask("RequestsPerMinute", "deployment eq '*' and statusCode eq '*'", rolled_up=frozenset({"statuscode"}))
    assert found == {("blue",): [1.5, None, None], ("green",): [1.0, None, 1.0]}


def test_latencies_are_those_of_the_deployment() -> None:
    """Means are exact, percentiles within the sketch's error, each request counted once."""
    assert ask("RequestLatency", "deployment eq '*'")["blue",] == [pytest.approx(30), None, None]
    assert ask("RequestLatency")[()] == [pytest.approx(23.75), None, pytest.approx(100)]
    assert ask("RequestLatency_P99", "deployment eq 'blue'")["blue",][0] == pytest.approx(50, rel=0.01)


def test_a_longer_interval_has_the_average_of_its_minutes() -> None:
    """And the other aggregations are over the same minutes."""
    query = Query(("RequestsPerMinute",), 0, 180, 180, ("average", "total", "minimum", "maximum", "count"))
    [found] = series(find(ENDPOINT, "RequestsPerMinute"), query, ROWS)
    [point] = found["data"]
    wanted = {"average": 1.25, "total": 5.0, "minimum": 1.0, "maximum": 2.0, "count": 4.0}
    assert point == {"timeStamp": "1970-01-01T00:00:00Z"} | wanted


def test_the_busiest_series_are_given_first() -> None:
    """`top` bounds how many, as on Azure, where ten are the default."""
    assert list(ask("RequestsPerMinute", "deployment eq '*'", top=1)) == [("blue",)]


@pytest.mark.parametrize(
    "text",
    ["deployment", "deployment eq green", "deployment = 'x'", "deployment eq 'a' and", "deployment eq 'a' xor b eq 'c'",
     "deployment eq 'a' or statusCode eq '200'"],
)  # fmt: skip
def test_a_filter_that_cannot_be_read_is_refused(text: str) -> None:
    """A 400 that shows the place, not an answer to another question."""
    with pytest.raises(Invalid):
        parse_filter(text)


@given(text=st.text(max_size=60))
def test_no_filter_breaks_the_reader(text: str) -> None:
    """Any text is read or refused."""
    with contextlib.suppress(Invalid):
        parse_filter(text)


def test_what_is_not_there_is_refused_by_name() -> None:
    """An unknown metric, and a dimension that a metric does not split by."""
    with pytest.raises(Invalid, match="Valid metrics: RequestsPerMinute,RequestLatency_P50"):
        find(DEPLOYMENT, "RequestLatency")
    with pytest.raises(Invalid, match="supported ones are: deployment"):
        ask("RequestLatency", "statusCode eq '*'")
    for wrong in ({"end": 0}, {"interval": 90}, {"aggregations": ("median",)}, {"end": 1e7}):
        with pytest.raises(Invalid):
            ask("RequestsPerMinute", **wrong)
