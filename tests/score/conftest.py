"""Models of the second data set, trained once, laid out as a deployment finds them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests import own_data
from threadpoolctl import threadpool_limits

import train


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """Fit with one thread: those of boosting wait by spinning, which on a busy machine takes minutes."""
    with threadpool_limits(1):
        yield


@pytest.fixture(scope="session")
def models(_one_thread: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with azureml-models/club/<version>/model: 1 a graph, 2 the same model as skops, 3 boosted as skops."""
    folder = tmp_path_factory.mktemp("models")
    own_data.write(folder / "data")
    root = folder / "azureml-models" / "club"
    for version, kind in (("1", "logistic"), ("3", "boosted")):
        assert train.main(_arguments(folder, kind, root / version / "model")) == 0
    shutil.copytree(root / "1", root / "2")
    for version in ("2", "3"):
        # Version 3 keeps its graph for comparison, under another name.
        (root / version / "model" / "model.onnx").rename(root / version / "model" / "graph")
        path = root / version / "model" / "signature.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "served": "model.skops"}))
    return root


def _arguments(folder: Path, kind: str, output: Path) -> list[str]:
    options = {"data": folder / "data" / "dev", "model": kind, "model-output": output, "report-output": folder}
    settings = {name.replace("_", "-"): value for name, value in own_data.SETTINGS.items()}
    return [part for name, value in {**options, **settings}.items() for part in (f"--{name}", str(value))]
