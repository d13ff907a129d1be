"""A live endpoint under load, over HTTP: nothing is lost while its deployment changes, and nothing grows."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
from azure.ai.ml.entities import OnlineRequestSettings

from .test_deployments import Site

pytestmark = pytest.mark.slow
MEBI = 1 << 20
# One request a second for an hour.
HOUR = 3600
SETTINGS = OnlineRequestSettings(max_concurrent_requests_per_instance=200, request_timeout_ms=60_000)


class Loaded(Site):
    """An endpoint and those who call it."""

    def __init__(self, client: Any, folder: Path) -> None:
        super().__init__(client, "loaded", folder)
        self.deploy("blue", request_settings=SETTINGS)
        self.shift(blue=100)
        self.address = str(self.get().scoring_uri)
        self.key = self.client.online_endpoints.get_keys(self.name).primary_key

    def caller(self) -> requests.Session:
        """Return a connection of its own."""
        session = requests.Session()
        session.trust_env = False
        session.headers["Authorization"] = f"Bearer {self.key}"
        return session

    def ask_often(self, calls: int) -> set[int]:
        with self.caller() as caller:
            return {caller.post(self.address, json={}, timeout=60).status_code for _ in range(calls)}


@pytest.fixture(scope="module")
def loaded(ml_client: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loaded]:
    made = Loaded(ml_client, tmp_path_factory.mktemp("loaded"))
    yield made
    ml_client.online_endpoints.begin_delete("loaded").result()


def test_a_redeploy_and_a_change_of_scale_lose_no_request(loaded: Loaded) -> None:
    """Through the SDK: another script's variables, then two instances, then one; every caller gets a 200 all along."""
    seen: Counter[tuple[int, str]] = Counter()
    done = threading.Event()

    def call() -> None:
        with loaded.caller() as caller:
            while not done.is_set():
                answer = caller.post(loaded.address, json={}, timeout=60)
                seen[answer.status_code, answer.json().get("who", "")] += 1

    with ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(call) for _ in range(4)]
        try:
            again = {"WHO": "again"}
            loaded.deploy("blue", request_settings=SETTINGS, environment_variables=again)
            loaded.deploy("blue", request_settings=SETTINGS, environment_variables=again, instance_count=2)
            loaded.deploy("blue", request_settings=SETTINGS, environment_variables=again)
        finally:
            done.set()
        for each in calls:
            each.result()
    assert {status for status, _ in seen} == {200}
    assert {who for _, who in seen} == {"blue", "again"}


def test_two_hundred_callers_at_once_are_all_answered(loaded: Loaded) -> None:
    """Each on a connection of its own, all at the same time."""
    gate = threading.Barrier(200)

    def call(_: int) -> set[int]:
        gate.wait(60)
        return loaded.ask_often(2)

    with ThreadPoolExecutor(200) as pool:
        assert set.union(*pool.map(call, range(200))) == {200}


def test_an_hour_of_requests_leaves_nothing_behind(loaded: Loaded, workspace: Any) -> None:
    """A request a second for an hour, at once: no file stays open, next to no memory stays taken."""
    server = psutil.Process(workspace.pid)
    assert loaded.ask_often(500) == {200}
    files, memory = server.num_fds(), server.memory_info().rss
    assert loaded.ask_often(HOUR) == {200}
    assert server.num_fds() <= files + 2
    assert server.memory_info().rss - memory < 4 * MEBI
