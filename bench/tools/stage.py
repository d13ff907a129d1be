"""What the benches measure with: the flights' models, trained as a job trains them, and requests of real rows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

ROOT = Path(__file__).parents[2]
SCORE = ROOT / "src" / "score"
TRAIN = ROOT / "src" / "train"
SAMPLE = SCORE / "sample-request.json"
# The threads of one process must not take the core of another that is measured beside it.
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def environment(**more: str) -> dict[str, str]:
    """Return the variables of a measured process: a path, one thread, compiled modules, and what is given."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    return {**kept, **ONE_THREAD, **more}


def training(output: Path, kind: str, data: Path, holdout: Path | str = "none") -> list[str]:
    """Return the command that trains a model of `kind` as a job does, into output/model."""
    options = {
        "data": data, "holdout": holdout, "target": "late", "positive": "1", "drop": "none",
        "time-column": "scheduled", "model": kind, "model-output": output / "model", "report-output": output / "report",
    }  # fmt: skip
    return [
        sys.executable,
        str(TRAIN / "train.py"),
        *(str(part) for name, value in options.items() for part in (f"--{name}", value)),
    ]


def trained(folder: Path, quick: bool = False) -> Path:
    """Train the default model below `folder`, once, and return what AZUREML_MODEL_DIR is to be.

    A quick one is of the dev data: a graph of the same size, sooner.
    """
    root = folder / "azureml-models" / "flights" / "1"
    if not (root / "model" / "metrics.json").exists():
        data = ROOT / "data" / ("dev" if quick else "prod")
        subprocess.run(training(root, "logistic", data), check=True, stdout=subprocess.DEVNULL)
    return root


def rows(count: int, *, whole: bool = False) -> tuple[list[str], list[list[Any]]]:
    """Return the columns of a request and so many rows of the live data as its cells, `whole`: without a null."""
    columns: list[str] = json.loads(SAMPLE.read_text())["input_data"]["columns"]
    frame = pd.read_csv(sorted((ROOT / "data" / "live").glob("*.csv.gz"))[0], nrows=5000)[columns]
    if whole:
        frame = frame.dropna()
    chosen = frame.sample(count, random_state=0).astype(object)
    return columns, chosen.where(chosen.notna(), None).to_numpy().tolist()


def bodies(count: int, *, single: bool = False) -> dict[str, bytes]:
    """Return a request of so many rows in both shapes.

    `single`: its numbers are rounded to single precision, in which the model learned. A pipeline that is handed doubles
    sees some of the real ones on the other side of a bin's edge than the graph, and answers up to 0.08 otherwise.
    """
    columns, cells = rows(count)
    if single:
        cells = [[float(np.float32(cell)) if isinstance(cell, float) else cell for cell in row] for row in cells]
    table = {"input_data": {"columns": columns, "data": cells}}
    records = {"input_data": [dict(zip(columns, row, strict=True)) for row in cells]}
    return {"table": json.dumps(table).encode(), "records": json.dumps(records).encode()}


def post(path: str, body: bytes, **headers: str) -> bytes:
    """Spell a request; header names have _ for -."""
    named = {"Host": "localhost", "Content-Type": "application/json", "Content-Length": str(len(body))}
    named |= {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in named.items())
    return f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + body
