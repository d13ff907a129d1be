"""Deployments: up, or an error that says why; gone, or an error that says it is not."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from house import ROOT

from ops import deployments, lineage
from ops.errors import DeploymentFailed, OpsError, Timeout, UsageError

RELEASE = deployments.Release(
    file=ROOT / "azureml" / "deployment.yml",
    endpoint="flights",
    model_id="azureml:m:2",
    tags={lineage.MODEL: "m:2", lineage.CODE: "c1"},
)
LOG = "Traceback (most recent call last):\n  File score.py\nOSError: no luck\n\nServerError: script failed"
_MOST_WAITS = 300  # a wait without an end is a failure, and does not hang the tests


def fault(status: int, message: str = "the service says no") -> HttpResponseError:
    made = HttpResponseError(message=message)
    made.status_code = status
    return made


@dataclass
class Deployed:
    """As much of the SDK's deployment as is looked at."""

    name: str
    provisioning_state: str
    tags: dict[str, str] = field(default_factory=dict)


class Poller:
    """An operation that is done after so many waits, or never, and then ends well or with a fault."""

    def __init__(self, waits: float = 0, ends: Exception | None = None) -> None:
        self._left, self._waited, self._ends = waits, 0, ends

    def done(self) -> bool:
        return self._left <= 0

    def wait(self, timeout: float) -> None:
        self._left, self._waited = self._left - 1, self._waited + 1
        assert self._waited < _MOST_WAITS, "nobody ended the wait"
        time.sleep(0.01)

    def status(self) -> str:
        return "InProgress"

    def result(self, timeout: float | None = None) -> None:
        if self._ends is not None:
            raise self._ends


class Service:
    """A client whose deployments come up in the state `becomes`, and go when they are deleted."""

    def __init__(self, poller: Poller | None = None, becomes: str = "Succeeded", stays: bool = False) -> None:
        self.there: dict[str, Deployed] = {}
        self.calls: list[str] = []
        self.refuses: Exception | None = None
        self.log: str | Exception = LOG
        self.deletion = Poller()
        self._poller, self._becomes, self._stays = poller or Poller(), becomes, stays
        self.online_deployments = self

    def list(self, endpoint: str) -> list[Deployed]:
        assert endpoint == "flights"
        return [*self.there.values()]

    def get(self, slot: str, endpoint: str) -> Deployed:
        return self.there[slot]

    def get_logs(self, slot: str, endpoint: str, lines: int, container_type: str) -> str:
        if isinstance(self.log, Exception):
            raise self.log
        return self.log if container_type == "inference-server" else ""

    def begin_create_or_update(self, given: Any) -> Poller:
        self.calls.append(f"create {given.name}")
        if self.refuses is not None:
            raise self.refuses
        self.there[given.name] = Deployed(given.name, self._becomes, given.tags)
        return self._poller

    def begin_delete(self, slot: str, endpoint: str) -> Poller:
        self.calls.append(f"delete {slot}")
        if slot not in self.there:
            raise ResourceNotFoundError(f"no {slot}")
        if not self._stays:
            del self.there[slot]
        return self.deletion


def create(service: Any, slot: str = "green", deadline: float = 5.0, **options: Any) -> Any:
    return deployments.create(
        service, slot, RELEASE, deadline_seconds=deadline, **{"say": lambda line: None, **options}
    )


def test_what_is_up_carries_the_tags_of_its_release_and_the_time() -> None:
    """Those are how a later run knows what is there, and which came last."""
    there = create(Service())
    assert (there.name, there.tags[lineage.MODEL], there.tags[lineage.CODE]) == ("green", "m:2", "c1")
    assert deployments.deployed_at(there) > "2026"


@pytest.mark.parametrize(
    ("others", "after"),
    [("2199-01-02T03:04:05.678+00:00", "2199-01-02T03:04:05.679+00:00"), ("2199-01-02T03:04:05.678+02:00", "2199")],
)
def test_the_new_deployment_is_the_newest_by_a_clock_that_is_behind(others: str, after: str) -> None:
    """By its time it is told which is the new one, and a rollback must not take the old one for it."""
    service = Service()
    service.there["blue"] = Deployed("blue", "Succeeded", {lineage.DEPLOYED: others})
    there = create(service)
    assert deployments.deployed_at(there) > (after[:4] + "-01-02T01:04" if "+02" in others else others)
    assert deployments.deployed_at(there).startswith(after)


def test_a_time_that_cannot_be_read_is_left_aside() -> None:
    """A person may have set it."""
    service = Service()
    service.there["blue"] = Deployed("blue", "Succeeded", {lineage.DEPLOYED: "soon"})
    assert deployments.deployed_at(create(service)) > "2026"


@pytest.mark.parametrize("watched", [False, True])
def test_a_deployment_that_never_comes_up_ends_at_the_deadline(watched: bool) -> None:
    """With a line that says where to look, whether or not somebody watches."""
    options = {"update": lambda line: None} if watched else {}
    with pytest.raises(Timeout, match=r"deployment green: not up after .*; inv logs --slot green"):
        create(Service(Poller(float("inf"))), deadline=0.05, **options)


def test_a_deployment_that_comes_up_within_the_deadline_is_waited_for() -> None:
    """Each look that finds it not up yet is said."""
    said: list[str] = []
    assert create(Service(Poller(3)), say=said.append).name == "green"
    assert len(said) == 2
    assert all(line.startswith("green: InProgress (") for line in said)


def test_who_watches_is_told_the_last_line_of_the_log() -> None:
    """What the container says is nearer to the matter than the state."""
    told: list[str] = []
    create(Service(Poller(2)), update=told.append)
    assert told == [LOG]


def test_an_operation_that_ends_well_with_a_deployment_that_failed_is_a_failure() -> None:
    """The deployment's own state counts, and what its container died of is said."""
    with pytest.raises(DeploymentFailed, match=r"(?s)green failed: it is Failed\n.* died of OSError: no luck\n"):
        create(Service(becomes="Failed"))


def test_a_failed_operation_says_what_the_service_said_and_the_log() -> None:
    """In its first line; the rest of what Azure says is of no use here."""
    with pytest.raises(DeploymentFailed, match=r"green failed: out of quota\nthe container died of OSError"):
        create(Service(Poller(ends=fault(400, "out of quota\nand much more"))))


def test_a_log_that_cannot_be_read_does_not_hide_the_failure() -> None:
    """The failure is told without it."""
    service = Service(becomes="Failed")
    service.log = fault(400)
    with pytest.raises(DeploymentFailed, match=r"green failed: it is Failed\ninv logs --slot green"):
        create(service)


@pytest.mark.parametrize("when", ["at once", "at the end"])
@pytest.mark.parametrize("status", [401, 403])
def test_a_missing_role_or_sign_in_is_no_failed_deployment(status: int, when: str) -> None:
    """It passes through as it is, so that the boundary can say which role is missing."""
    denied = fault(status)
    service = Service(Poller(ends=denied if when == "at the end" else None))
    service.refuses = denied if when == "at once" else None
    with pytest.raises(HttpResponseError) as raised:
        create(service)
    assert raised.value is denied


def test_a_deployment_that_failed_before_is_deleted_first() -> None:
    """Azure does not mend it in place; that it goes is said."""
    service = Service()
    service.there["green"] = Deployed("green", "Failed")
    said: list[str] = []
    create(service, say=said.append)
    assert service.calls == ["delete green", "create green"]
    assert said == ["green: deleting the deployment that failed"]


def test_a_deployment_that_is_well_is_updated_in_its_place() -> None:
    """Neither it nor the other colour's is deleted, failed or not."""
    service = Service()
    service.there = {"green": Deployed("green", "Succeeded"), "blue": Deployed("blue", "Failed")}
    create(service)
    assert service.calls == ["create green"]


def test_a_slot_that_is_no_colour_is_refused_before_anything_is_done() -> None:
    """There are two."""
    service = Service()
    with pytest.raises(UsageError, match="blue and green"):
        create(service, slot="red")
    assert service.calls == []


def delete(service: Any) -> None:
    deployments.delete(service, "flights", "green", deadline_seconds=5)


def test_a_deletion_that_leaves_the_deployment_there_is_an_error() -> None:
    """Success is that it is gone, whatever the operation said."""
    service = Service(stays=True)
    service.there["green"] = Deployed("green", "Succeeded")
    with pytest.raises(OpsError, match="deployment green is still there after its deletion"):
        delete(service)


def test_a_deletion_that_goes_on_after_the_deadline_is_said_to() -> None:
    """The SDK's wait returns then as if it had ended."""
    service = Service(stays=True)
    service.there["green"] = Deployed("green", "Deleting")
    service.deletion = Poller(waits=float("inf"))
    with pytest.raises(Timeout, match="deployment green: its deletion has not ended after"):
        delete(service)


def test_a_deletion_takes_the_one_and_leaves_the_other() -> None:
    """Only the slot that was named goes."""
    service = Service()
    service.there = {slot: Deployed(slot, "Succeeded") for slot in deployments.SLOTS}
    delete(service)
    assert [*service.there] == ["blue"]


def test_deleting_what_is_not_there_is_fine() -> None:
    """Absence is what was wanted."""
    service = Service()
    delete(service)
    assert service.calls == ["delete green"]
