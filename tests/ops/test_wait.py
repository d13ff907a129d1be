"""Waiting: condition, deadline, and what ends it early."""

from __future__ import annotations

import doctest
import importlib
import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError

from ops import wait
from ops.errors import Timeout


class Busy(Exception):
    """An answer of the service with a status."""

    def __init__(self, status_code: int) -> None:
        super().__init__(f"status {status_code}")
        self.status_code = status_code


def operation_ended(code: str) -> str:
    """Raise what the SDK's poller raises of an operation that it was told has failed."""
    body = json.dumps({"status": "Failed", "error": {"code": code, "message": "why"}})
    told: Any = SimpleNamespace(status_code=200, reason="OK", text=lambda: body)
    raise HttpResponseError(code, response=told)


class Haste:
    """A clock that nobody waits for: a pause moves it on."""

    def __init__(self) -> None:
        self.now, self.pauses = 0.0, list[float]()

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


@pytest.fixture
def haste(monkeypatch: pytest.MonkeyPatch) -> Haste:
    """The clock and the pauses of all waiting, without the time that they take."""
    found = Haste()
    monkeypatch.setattr(wait, "time", found)
    return found


def looks(*seen: str) -> Iterator[str]:
    yield from seen
    while True:
        yield seen[-1]


def test_each_change_is_told_once() -> None:
    """row_3: the observer hears of a status when it is new, not at each look."""
    states, told = looks("Queued", "Queued", "Running", "Running", "Completed"), []
    last = wait.until(
        lambda: next(states),
        lambda now: now == "Completed",
        what="job",
        deadline_seconds=5,
        poll_seconds=0.001,
        changed=lambda now, elapsed: told.append(now),
    )
    assert last == "Completed"
    assert told == ["Queued", "Running", "Completed"]


def test_the_deadline_names_what_was_seen_last() -> None:
    """row_4: a status that never ends the wait is left at the deadline, with the reason."""
    with pytest.raises(Timeout, match=r"job x: not done after .* \(last seen: NotResponding\)"):
        wait.until(lambda: "NotResponding", lambda now: False, what="job x", deadline_seconds=0.02, poll_seconds=0.005)


def test_there_is_a_pause_between_two_looks_and_one_look_at_the_deadline(haste: Haste) -> None:
    """The last pause is what is left until then."""
    seen = []
    with pytest.raises(Timeout, match=r"not done after 0\.4 s"):
        wait.until(lambda: seen.append(1), lambda now: False, what="job x", deadline_seconds=0.4375, poll_seconds=0.125)
    assert haste.pauses == [0.125, 0.125, 0.125, 0.0625]
    assert len(seen) == 5


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504])
def test_a_busy_or_broken_service_is_tried_again(status: int, haste: Haste) -> None:
    """These mean later, not never; the pauses grow up to a quarter of a minute, or two seconds for a conflict."""
    answers = iter([*[Busy(status)] * 9, "done"])

    def call() -> str:
        answer = next(answers)
        if isinstance(answer, Busy):
            raise answer
        return answer

    assert wait.retrying(call, what="traffic", deadline_seconds=1000) == "done"
    growing = [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 15, 15]
    assert haste.pauses == pytest.approx([min(pause, 2) for pause in growing] if status == 409 else growing)


@pytest.mark.parametrize("kind", ["ServiceRequestError", "ServiceResponseTimeoutError", "IncompleteReadError"])
def test_an_answer_that_was_lost_is_asked_for_again(kind: str) -> None:
    """Whether the call got through or not: the names are azure-core's."""
    assert hasattr(importlib.import_module("azure.core.exceptions"), kind)
    lost = type(kind, (Exception,), {})
    answers = iter([lost(), "done"])

    def call() -> object:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert wait.retrying(call, what="traffic", deadline_seconds=10) == "done"


@pytest.mark.parametrize("code", ["OperationCanceled", "InternalServerError", "Conflict"])
def test_an_operation_that_azure_gave_up_is_begun_again(code: str, haste: Haste) -> None:
    """The service accepted it, and ended it without a fault of ours: read as the SDK's poller reads it."""
    calls = []

    def call() -> str:
        calls.append(1)
        return "done" if len(calls) > 2 else operation_ended(code)

    assert wait.retrying(call, what="traffic", deadline_seconds=10) == "done"
    assert len(calls) == 3


def test_an_operation_that_failed_is_not_begun_again() -> None:
    """A model that does not come up will not the second time."""
    with pytest.raises(HttpResponseError, match="ResourceNotReady"):
        wait.retrying(lambda: operation_ended("ResourceNotReady"), what="x", deadline_seconds=10)


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_any_other_answer_is_passed_on_at_once(status: int) -> None:
    """Only what passes is worth a second try."""
    calls = []

    def call() -> None:
        calls.append(1)
        raise Busy(status)

    with pytest.raises(Busy):
        wait.retrying(call, what="traffic", deadline_seconds=10)
    assert len(calls) == 1


def test_busy_for_ever_ends_at_the_deadline() -> None:
    """The last answer is part of the message."""

    def call() -> None:
        raise Busy(409)

    with pytest.raises(Timeout, match="status 409"):
        wait.retrying(call, what="traffic", deadline_seconds=0.1)


def test_durations_read_as_people_say_them() -> None:
    """The examples in the docstring hold."""
    assert doctest.testmod(wait).failed == 0
