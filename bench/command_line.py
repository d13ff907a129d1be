"""What does a task cost that does nothing yet? `PYTHONPATH=src python -m bench.command_line`.

`inv --list` of this project beside that of a tasks.py with one empty task; and `inv status`, on a local workspace that
is up and empty, beside a process that asks the same through the SDK and does no more (it shares the settings and the
way to connect), and beside one that only imports the SDK.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from bench import stage
from bench.figures import Figure, added, at_most
from bench.timing import medians

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
                5 if quick else 21,
            )
            found |= medians(
                {
                    "status": lambda: run([*inv, "status"], stage.ROOT),
                    "asks": lambda: run([sys.executable, "-c", ASKS, place], stage.ROOT),
                    "sdk": lambda: run(bare, stage.ROOT),
                },
                3 if quick else 9,
            )
        finally:
            run([*inv, "workspace.stop"], stage.ROOT)
    return [
        at_most("inv --list, s: beside one empty task", found["list"], found["trivial"], 1.3),
        added("inv status, s: beside the same questions through the SDK", found["status"], found["asks"], 0.3, "s"),
        Figure(
            "inv status, s: beside the import of the SDK",
            found["status"],
            found["sdk"],
            found["status"] / found["sdk"],
            "none: the workspace's answers are in it",
            True,
        ),
    ]
