"""The examples of docs/local-workspace.md, run as they stand."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from local import launch

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/local-workspace.md"


@pytest.fixture
def examples(workspace: launch.Connection) -> dict[str, str]:
    """Each example's output, run in the checkout, whose workspace is the running one."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    # The SDK leaves the name of its cloud in the environment.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AZUREML_")}
    own = {"INVOKE_LOCAL_FOLDER": workspace.folder, "REQUESTS_CA_BUNDLE": workspace.ca_bundle, "PATH": path}
    found = {}
    for language, text in re.findall(r"```(\w+)\n(.*?)```", PAGE.read_text(), re.S):
        command = {"python": [sys.executable, "-c"], "bash": ["bash", "-euc"]}[language]
        done = subprocess.run(
            [*command, text], cwd=ROOT, env=inherited | own, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        found[language] = done.stdout
    return found


@pytest.mark.slow
def test_other_clients_reach_it_as_the_page_says(examples: dict[str, str]) -> None:
    """A plain MLClient, and curl."""
    assert examples["python"].strip() == "local"
    assert "value" in json.loads(examples["bash"])
