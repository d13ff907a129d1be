"""What does a task cost that does nothing yet? `PYTHONPATH=src python -m bench.command_line`.

`inv --list` of this project beside that of a tasks.py with one empty task; and `inv status`, on a local workspace that
is up and empty, beside a process that only imports the SDK. The difference holds the workspace's own answers too, so
it is more than what the task adds.
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


def measure(folder: Path, quick: bool) -> list[Figure]:
    """Measure the list, and a task's overhead over importing the SDK and the workspace's own work."""
    del folder
    rounds = 5 if quick else 15
    inv = [sys.executable, "-c", "import sys; from invoke.main import program; sys.exit(program.run())"]
    with tempfile.TemporaryDirectory(prefix="bench-") as made:
        (Path(made) / "tasks.py").write_text(TRIVIAL)
        variables = stage.environment(INVOKE_LOCAL_FOLDER=str(Path(made) / "ws"))

        def run(command: list[str], cwd: Path) -> None:
            subprocess.run(command, cwd=cwd, env=variables, check=True, stdout=subprocess.DEVNULL)

        bare = [sys.executable, "-c", "import azure.ai.ml, azure.identity"]
        run([*inv, "workspace.start"], stage.ROOT)
        try:
            found = medians(
                {
                    "list": lambda: run([*inv, "--list"], stage.ROOT),
                    "trivial": lambda: run([*inv, "--list"], Path(made)),
                    "status": lambda: run([*inv, "status"], stage.ROOT),
                    "sdk": lambda: run(bare, stage.ROOT),
                },
                rounds,
            )
        finally:
            run([*inv, "workspace.stop"], stage.ROOT)
    return [
        at_most("inv --list, s: beside one empty task", found["list"], found["trivial"], 1.3),
        added("inv status, s: beside the import of the SDK", found["status"], found["sdk"], 0.3, "s"),
    ]
