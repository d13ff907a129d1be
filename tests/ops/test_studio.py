"""Which page `inv studio` opens, and what it says where there is no browser."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from ops import studio, workspace
from ops.errors import UsageError
from ops.project import Project

ROOT = Path(__file__).parents[2]
LINK = "http://127.0.0.1:1/#link=secret"


def project(**changed: str) -> Project:
    """Return the project with these settings changed."""
    values: Mapping[str, Any] = yaml.safe_load((ROOT / "invoke.yaml").read_text())
    return Project({**values, **changed}, ROOT)


def test_on_azure_it_is_the_endpoints_own_page() -> None:
    """As Microsoft's own code links it (promptflow-tools: open_model_llm.py; azureml-assets: pull request 3645)."""
    found = studio.link(project(workspace="ws", resource_group="rg", subscription="sub").settings)
    assert found == (
        "https://ml.azure.com/endpoints/realtime/flight-delays/detail?wsid=/subscriptions/sub/resourceGroups/rg"
        "/providers/Microsoft.MachineLearningServices/workspaces/ws"
    )


def test_on_azure_the_workspace_must_be_named() -> None:
    """It says which settings are missing."""
    with pytest.raises(UsageError, match="subscription and resource_group"):
        studio.azure_page(project(workspace="local").settings)


@pytest.mark.parametrize("no_open", [True, False])
def test_without_a_screen_the_link_is_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], no_open: bool
) -> None:
    """As the last line, so that a script can take it; nothing is opened where nobody looks."""
    monkeypatch.setattr(workspace, "studio_link", lambda settings: LINK)
    monkeypatch.setattr(studio, "_open", lambda address: pytest.fail("a browser was opened"))
    studio.show(project(), no_open=no_open)
    assert capsys.readouterr().out.splitlines()[-1] == LINK
