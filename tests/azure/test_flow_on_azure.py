"""The whole flow on a real workspace: `nox -s azure`. It takes about two hours, costs money, and deletes what it made.

The workspace is the one that INVOKE_WORKSPACE, INVOKE_RESOURCE_GROUP and INVOKE_SUBSCRIPTION name, and the sign-in is
this machine's. The names of experiment, model and endpoint are this run's own.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from house import House, build

from ops import endpoints, models
from ops.project import Project

NAMED = ("INVOKE_WORKSPACE", "INVOKE_RESOURCE_GROUP", "INVOKE_SUBSCRIPTION")
MISSING = [name for name in NAMED if not os.environ.get(name)]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(MISSING), reason=f"did not run: {', '.join(MISSING)} not set"),
    pytest.mark.timeout(4 * 3600),
]


class OnAzure:
    """A checkout whose tasks work on the real workspace, under names that nothing else has."""

    def __init__(self, house: House) -> None:
        """Give this run its names."""
        name = f"check-{uuid4().hex[:10]}"
        house.set(
            names={"experiment": name, "model": name, "endpoint": name},
            wait={"poll_seconds": 30, "job_minutes": 120, "operation_minutes": 60},
        )
        self.house = house
        self.variables = {name: os.environ[name] for name in NAMED}
        chosen = {name.removeprefix("INVOKE_").lower(): value for name, value in self.variables.items()}
        self.project = Project({**house.settings(), **chosen}, house.root)

    def inv(self, *words: str) -> str:
        """Run a task to its end, however long, and return what it printed."""
        done = self.house.inv(*words, patience=4 * 3600, **self.variables)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def traffic(self) -> dict[str, int]:
        """Return the share of each colour."""
        found: dict[str, Any] = json.loads(self.inv("status", "--json"))
        return {slot["slot"]: slot["traffic"] for slot in found["slots"]}

    def delete(self) -> None:
        """Delete the endpoint, which is what costs, and archive the models; jobs cost nothing once they have ended."""
        client, name = self.project.client, self.project.endpoint
        if endpoints.find(client, name):
            client.online_endpoints.begin_delete(name).result(timeout=3600)
        for version in models.versions(client, name):
            client.models.archive(name, version=version.version)


@pytest.fixture(scope="module")
def azure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OnAzure]:
    """The flow's tests share it, in order; whatever happens, what it made is deleted."""
    made = OnAzure(build(tmp_path_factory.mktemp("azure") / "checkout"))
    try:
        yield made
    finally:
        made.delete()


def test_the_workspace_is_fit(azure: OnAzure) -> None:
    """`inv doctor` finds nothing wrong, before anything is spent."""
    azure.inv("doctor")


def test_training_up_to_a_model(azure: OnAzure) -> None:
    """Dev, production, version 1."""
    azure.inv("train-dev")
    azure.inv("train-prod", "--yes")
    assert json.loads(azure.inv("status", "--json"))["model"]["latest"] == "1"


def test_the_first_release_is_blue_and_live(azure: OnAzure) -> None:
    """Tested, then given everything."""
    azure.inv("deploy")
    assert azure.traffic() == {"blue": 100}
    azure.inv("test-endpoint")


def test_the_next_release_is_green_and_goes_live_in_steps(azure: OnAzure) -> None:
    """Changed scoring code is a release; it waits at nothing, is shifted by hand, put back, and rolled out."""
    script = azure.house.root / "src/score/score.py"
    script.write_text(script.read_text() + "\n# another release\n")
    azure.inv("deploy")
    assert azure.traffic() == {"blue": 100, "green": 0}
    azure.inv("shift", "--green", "10")
    assert azure.traffic() == {"blue": 90, "green": 10}
    azure.inv("rollback")
    assert azure.traffic() == {"blue": 100, "green": 0}
    azure.inv("rollout", "--force")
    assert azure.traffic() == {"blue": 0, "green": 100}
    azure.inv("cleanup")
    assert azure.traffic() == {"green": 100}
