"""What a rollout does where its live metrics cannot be read: it says so, and goes on without them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from azure.core.exceptions import AzureError, HttpResponseError, ServiceRequestError

from ops.rollout import command
from ops.rollout.position import Position

POSITION = Position("blue", "green", 10, "green of 2026")
# The one that says nothing is real: azure-core wraps a connection's fault, whose own text may be empty.
FAULTS = [
    (ServiceRequestError(ConnectionError()), "ServiceRequestError"),
    (HttpResponseError("too many\nof them"), "too many"),
]


class Unreadable:
    """Live requests that cannot be asked for."""

    def __init__(self, fault: AzureError) -> None:
        self.fault = fault

    def blocks(self, position: Position, moment: float) -> Iterator[Any]:
        raise self.fault
        yield


@pytest.mark.parametrize(("fault", "said"), FAULTS, ids=["without a word", "in two lines"])
def test_live_metrics_that_cannot_be_read_are_said(
    fault: AzureError, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one line, and the probes go on."""
    live: Any = Unreadable(fault)
    assert list(command._whole_minutes(live, POSITION)) == []
    assert capsys.readouterr().out.endswith(f"live metrics cannot be read, the probes go on: {said}\n")
