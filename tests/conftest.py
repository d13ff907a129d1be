"""What every test may use: a checkout of its own with a local workspace."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from house import House, build, same_environment
from hypothesis import settings

from local import launch

# A session that was started in the background may ignore Ctrl-C; what it starts must not inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

# A property is tried on 30 cases where somebody waits for the answer, and on 100 in CI.
settings.register_profile("project", deadline=None, max_examples=100 if os.environ.get("CI") else 30)
settings.load_profile("project")


# By what they take: begun in this order, two processes end at about the same time.
LONGEST = ("test_rollout_killed", "test_flow", "test_bad_input", "test_docs_run", "test_own_data")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files; a file's tests stay in their order."""
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.stem, len(LONGEST)))


@pytest.fixture(scope="module", autouse=True)
def its_environment() -> Iterator[None]:
    """What a module's tests put into the environment goes with the module."""
    with same_environment():
        yield


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A checkout that the tests of one module share, in the order in which they stand."""
    made = build(tmp_path_factory.mktemp("house") / "checkout")
    yield made
    launch.stop(made.root / ".workspace")


@pytest.fixture
def fresh_house(tmp_path: Path) -> Iterator[House]:
    """A checkout for one test."""
    made = build(tmp_path / "checkout")
    yield made
    launch.stop(made.root / ".workspace")
