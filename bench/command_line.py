"""What does a task cost that does nothing yet? `PYTHONPATH=src python -m bench.command_line`.

`inv --list` of this project beside that of a tasks.py with one empty task; and `inv status`, on a local workspace that
is up and empty, beside a process that asks the same through the SDK and does no more (it shares the settings and the
way to connect), and beside one that only imports the SDK. Then how soon after a job's own end a task that watches it
goes on, beside the pause between two looks.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import yaml
from bench import stage
from bench.figures import Figure, added, at_most, unaimed
from bench.timing import medians

from ops import jobs
from ops.settings import load
from ops.workspace import connect

TRIVIAL = "from invoke import task\n\n\n@task\ndef nothing(c):\n    pass\n"

# What `inv status` asks an empty workspace.
ASKS = """
import contextlib, itertools, sys, yaml
from azure.core.exceptions import ResourceNotFoundError
from ops.settings import load
from ops.workspace import connect
client = connect(load(yaml.safe_load(open("invoke.yaml")) | {"local": {"folder": sys.argv[1]}}))
with contextlib.suppress(ResourceNotFoundError):
    client.online_endpoints.get("flight-delays")
with contextlib.suppress(ResourceNotFoundError):
    list(client.models.list(name="flight-delays"))
list(itertools.islice(client.jobs.list(), 50))
"""


def noticed(place: str, times: int) -> Figure:
    """Watch jobs of uneven lengths to their ends; the seconds from an end to the return of the watch."""
    from azure.ai.ml import command

    settings = load(yaml.safe_load((stage.ROOT / "invoke.yaml").read_text()) | {"local": {"folder": place}})
    client = connect(settings)
    late = []
    for number in range(times):
        job = command(command=f"sleep {1 + 0.17 * number:.2f}", environment="azureml:AzureML-sklearn-1.5:1")
        name = client.jobs.create_or_update(job).name
        jobs.watch(client, name, poll_seconds=settings.poll_seconds, deadline_seconds=60, say=lambda _: None)
        ended = client.jobs._runs_operations.get_run_details(name).end_time_utc
        # What follows the return is not the watch's: one question of some milliseconds.
        late.append((datetime.now(UTC) - ended).total_seconds())
    return at_most(
        "watching a job, s from its end: beside one poll", statistics.median(late), settings.poll_seconds, 1.0
    )


def measure(folder: Path, quick: bool) -> list[Figure]:
    """Measure the list, and a task's overhead over importing the SDK and the workspace's own work."""
    del folder
    inv = [sys.executable, "-m", "invoke"]
    with tempfile.TemporaryDirectory(prefix="bench-") as made:
        (Path(made) / "tasks.py").write_text(TRIVIAL)
        place = str(Path(made) / "ws")
        variables = stage.environment(INVOKE_LOCAL_FOLDER=place, PYTHONPATH=str(stage.ROOT / "src"))

        def run(command: list[str], cwd: Path) -> None:
            subprocess.run(command, cwd=cwd, env=variables, check=True, stdout=subprocess.DEVNULL)

        bare = [sys.executable, "-c", "import azure.ai.ml, azure.identity"]
        run([*inv, "workspace.start"], stage.ROOT)
        try:
            found = medians(
                {
                    "list": lambda: run([*inv, "--list"], stage.ROOT),
                    "trivial": lambda: run([*inv, "--list"], Path(made)),
                },
                5 if quick else 15,
            )
            found |= medians(
                {
                    "status": lambda: run([*inv, "status"], stage.ROOT),
                    "asks": lambda: run([sys.executable, "-c", ASKS, place], stage.ROOT),
                },
                3 if quick else 7,
            )
            found |= medians({"sdk": lambda: run(bare, stage.ROOT)}, 3)
            watched = noticed(place, 3 if quick else 7)
        finally:
            run([*inv, "workspace.stop"], stage.ROOT)
    return [
        at_most("inv --list, s: beside one empty task", found["list"], found["trivial"], 1.3),
        added("inv status, s: beside the same questions through the SDK", found["status"], found["asks"], 0.3, "s"),
        unaimed(
            "inv status, s: beside the import of the SDK",
            found["status"],
            found["sdk"],
            "the workspace's answers are in it",
        ),
        watched,
    ]
