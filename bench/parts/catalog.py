"""Does the local workspace slow down as it fills? `PYTHONPATH=src python -m bench --only catalog`.

Through the unmodified SDK, over the socket: getting a job, a model's version and its latest version, and the first page
of a list, in a workspace with a hundred jobs and ten versions, and then with 10,000 and 1,000. The documents are
written into its database while the server is down, as its own code writes them.
"""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path
from typing import Any

import yaml
from bench.figures import Figure, at_most
from bench.tools import stage
from bench.tools.timing import medians

from local import launch
from local.storage.store import Store
from ops.settings import load
from ops.workspace import connect

SMALL, LARGE = (100, 10), (10_000, 1_000)
PAGE = 50


def fill(folder: Path, jobs: int, versions: int, name: str = "filled") -> None:
    """Make the workspace of a folder, with so many completed jobs and versions of a model, and leave its server down.

    `name` is the model's and the experiment's.
    """
    launch.ensure(folder)
    launch.stop(folder)
    store = Store(folder / "state.sqlite")
    properties: dict[str, Any] = {
        "jobType": "Command", "command": "true", "environmentId": None, "codeId": None, "computeId": None,
        "experimentName": name, "displayName": "filled", "tags": {"stage": "prod"}, "properties": {},
        "inputs": {}, "outputs": {}, "resources": {"instanceCount": 1}, "isArchived": False,
    }  # fmt: skip
    with store.transaction():
        for number in range(jobs):
            store.put("jobs", f"job-{number}", {"properties": properties, "status": "Completed"}, mark="Completed")
        store.put("models.container", name, {"properties": {}})
        for number in range(1, versions + 1):
            model = {
                "modelUri": "azureml://jobs/job-1/outputs/model",
                "modelType": "custom_model",
                "tags": {"n": str(number)},
                "properties": {},
            }
            store.put("models", name, {"properties": model}, version=str(number))
    store.close()


def times(folder: Path, jobs: int, versions: int, rounds: int) -> dict[str, float]:
    """Return the median milliseconds of each question, asked through the SDK at a workspace so full."""
    settings = load(yaml.safe_load((stage.ROOT / "invoke.yaml").read_text()) | {"local": {"folder": str(folder)}})
    fill(folder, jobs, versions)
    workspace = connect(settings)
    try:
        asked = {
            "a job by name": lambda: workspace.jobs.get(f"job-{jobs // 2}"),
            "a version of a model": lambda: workspace.models.get("filled", version=str(versions // 2)),
            "the latest version": lambda: workspace.models.get("filled", label="latest"),
            f"the first {PAGE} jobs of the list": lambda: list(itertools.islice(workspace.jobs.list(), PAGE)),
        }
        if workspace.models.get("filled", label="latest").version != str(versions):
            raise AssertionError("the latest version is another one")
        return {name: seconds * 1000 for name, seconds in medians(asked, rounds).items()}
    finally:
        launch.stop(folder)


def measure(folder: Path, quick: bool) -> list[Figure]:
    """Measure the same questions at both fillings."""
    del folder
    found = []
    for size in (SMALL, LARGE):
        with tempfile.TemporaryDirectory(prefix="bench-") as made:
            found.append(times(Path(made) / "ws", *size, 9 if quick else 25))
    small, large = found
    name = "workspace with {:,} jobs and {:,} versions, ms: ".format(*LARGE)
    beside = " beside {} and {}".format(*SMALL)
    return [at_most(f"{name}{what},{beside}", large[what], small[what], 1.5) for what in small]
