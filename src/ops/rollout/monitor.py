"""Azure Monitor's RequestsPerMinute of an endpoint, split by deployment, status code and the model's own status."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

NAMESPACE = "Microsoft.MachineLearningServices/workspaces/onlineEndpoints"
METRIC = "RequestsPerMinute"
# The service lists ten series of a split unless asked for more; two deployments have a few pairs of statuses each.
_SERIES = 100


class Monitor:
    """The counts of one endpoint."""

    def __init__(self, client: Any, endpoint_id: str) -> None:
        """`client` is azure.monitor.querymetrics.MetricsClient, `endpoint_id` the endpoint's resource id."""
        self._client = client
        self._endpoint_id = endpoint_id

    def requests(self, start: float, end: float) -> dict[tuple[str, int], int]:
        """Return the requests of the minutes from `start` up to `end` (epoch seconds), by deployment and status code.

        Azure has this metric's Average only, which is the mean over every dimension that is not split: so all that
        tell requests apart are split, and their counts added up here.
        """
        [result] = self._client.query_resources(
            resource_ids=[self._endpoint_id],
            metric_namespace=NAMESPACE,
            metric_names=[METRIC],
            # The end is a minute that the service would tell as well.
            timespan=(datetime.fromtimestamp(start, UTC), datetime.fromtimestamp(end - 1, UTC)),
            granularity=timedelta(minutes=1),
            aggregations=["Average"],
            filter="deployment eq '*' and statusCode eq '*' and modelStatusCode eq '*'",
            max_results=_SERIES,
        )
        found: Counter[tuple[str, int]] = Counter()
        for metric in result.metrics:
            for series in metric.timeseries:
                split = {name.lower(): value for name, value in series.metadata_values.items()}
                if not split.get("statuscode", "").isdigit():
                    continue
                for point in series.data:
                    found[split.get("deployment", ""), int(split["statuscode"])] += round(point.average or 0)
        return dict(found)
