"""The page of what the local workspace does is the one that the tests make."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[2] / "docs/local_workspace.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    specification = importlib.util.spec_from_file_location("local_workspace_page", SCRIPT)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_the_page_is_current(script: ModuleType) -> None:
    """Written anew it would be the same: python docs/local_workspace.py."""
    present = script.PAGE.read_text()
    if f"azure-ai-ml {script.azure.ai.ml.__version__} " not in present:
        pytest.skip("the page is for another release of the SDK, whose operations may differ")
    assert script.page() == present


def test_all_of_the_flow_is_done(script: ModuleType) -> None:
    """Each operation that src/ops calls on the client has a test here."""
    done = set(script.shown())
    assert {("jobs", "create_or_update"), ("jobs", "stream"), ("models", "download")} <= done
    assert {("online_endpoints", "begin_create_or_update"), ("online_deployments", "get_logs")} <= done
