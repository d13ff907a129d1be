"""What does the whole story take beside its own trainings and server starts? `python -m bench --only demo`.

`inv demo` once, on a workspace made for it; then the three trainings and the four starts of a server that are in it,
one after the other and nothing else (the trainings log their metrics, as jobs do, but to a folder). What is left is
what a person waits for: the rollouts' bake times, uploads, the workspace, the SDK. And what the clients saw, who call
all the while.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from bench.figures import Figure, at_most
from bench.parts.servers import inference_server
from bench.tools import stage

MOST_SECONDS = 90.0
MONTHS = (6, 9)  # of production data, for the first model and the second
STARTS = 4  # blue, green, the broken release and the flaky one


def told(folder: Path) -> dict[str, float]:
    """Run `inv demo` and return its summary."""
    variables = stage.environment(INVOKE_LOCAL_FOLDER=str(folder / "demo"))
    inv = [sys.executable, "-m", "invoke"]
    try:
        done = subprocess.run(
            [*inv, "demo", "--json"], cwd=stage.ROOT, env=variables, check=True, capture_output=True, text=True
        )
    finally:
        stop = [*inv, "workspace.stop"]
        subprocess.run(stop, cwd=stage.ROOT, env=variables, check=False, stdout=subprocess.DEVNULL)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def alone(folder: Path) -> float:
    """Return the seconds of the trainings and of the starts, with nothing around them."""
    data = stage.ROOT / "data"
    tracking = {"MLFLOW_TRACKING_URI": (folder / "demo-runs").as_uri(), "MLFLOW_ALLOW_FILE_STORE": "true"}
    spent = 0.0
    for name, files in (
        ("dev", sorted((data / "dev").glob("*.csv.gz"))),
        *((f"prod-{months}", sorted((data / "prod").glob("*.csv.gz"))[:months]) for months in MONTHS),
    ):
        rows = folder / "demo-rows" / name
        rows.mkdir(parents=True)
        for file in files:
            shutil.copy(file, rows)
        started = time.perf_counter()
        command = stage.training(folder / "demo-alone" / name, "logistic", rows, data / "live")
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, **tracking})
        spent += time.perf_counter() - started
    model = stage.trained(folder)
    for _ in range(STARTS):
        with inference_server(stage.SCORE / "score.py", model, folder) as (_, took):
            spent += took
    return spent


def measure(folder: Path, quick: bool) -> list[Figure]:
    """Measure the story once; a quick run leaves it out."""
    if quick:
        return []
    started = time.perf_counter()
    summary = told(folder)
    took = time.perf_counter() - started
    failed, requests = summary["failed"], summary["requests"]
    return [
        at_most("inv demo, s: beside its trainings and server starts alone", took, alone(folder), 2.0),
        Figure(
            "inv demo, s", took, MOST_SECONDS, took / MOST_SECONDS, f"at most {MOST_SECONDS:g} s", took <= MOST_SECONDS
        ),
        Figure(
            "inv demo, requests failed by deploys, shifts, a rollback and a cleanup: beside all requests",
            failed,
            requests,
            failed / requests,
            "not one",
            failed == 0,
        ),
    ]
