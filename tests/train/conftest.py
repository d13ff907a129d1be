"""What all tests of training share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from threadpoolctl import threadpool_limits


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """Fit with one thread: those of boosting wait by spinning, which on a busy machine takes minutes."""
    with threadpool_limits(1):
        yield
