"""What does a task cost that does nothing yet? `PYTHONPATH=src python -m bench --only command_line`.

`inv --list` of this project beside that of a tasks.py with one empty task; and `inv status`, on a local workspace that
is up and holds hundreds of jobs, beside a process that asks the same through the SDK and does no more, and beside one
that only imports the SDK. Then how late after a job's own end a task that watches it goes on, at the latest, beside the
pause between two looks.
"""

from __future__ import annotations

import operator
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import yaml
from bench.figures import Figure, added, at_most, unaimed
from bench.parts import catalog
from bench.tools import stage
from bench.tools.timing import medians, middle, series

from ops import jobs
from ops.settings import load
from ops.workspace import connect

TRIVIAL = "from invoke import task\n\n\n@task\ndef nothing(c):\n    pass\n"

FILLED = (300, 30)
# What `inv status` asks, by the SDK alone; the address of the workspace is all that it has of this project.
ASKS = """
import contextlib, itertools, os, sys, time
from pathlib import Path
from local import launch
here = launch.find(Path(sys.argv[1]))
os.environ["REQUESTS_CA_BUNDLE"] = here.authority
from azure.ai.ml import MLClient
from azure.core.credentials import AccessToken
from azure.core.exceptions import ResourceNotFoundError
class Token:
    def get_token(self, *scopes, **options):
        return AccessToken(here.token(), int(time.time()) + 3600)
client = MLClient(
    Token(), here.subscription_id, here.resource_group, here.workspace_name,
    cloud="local", cloud_metadata=here.cloud_metadata, enable_telemetry=False,
)
with contextlib.suppress(ResourceNotFoundError):
    client.online_endpoints.get(sys.argv[2])
assert list(client.models.list(name=sys.argv[2]))
assert list(itertools.islice(client.jobs.list(), 50))
"""


def noticed(place: Path, times: int) -> Figure:
    """Watch jobs of uneven lengths to their ends; the most seconds from an end to the return of the watch."""
    from azure.ai.ml import command

    settings = load(yaml.safe_load((stage.ROOT / "invoke.yaml").read_text()) | {"local": {"folder": str(place)}})
    client = connect(settings)
    late = []
    for number in range(times):
        job = command(command=f"sleep {0.5 + 0.17 * number:.2f}", environment="azureml:AzureML-sklearn-1.5:1")
        name = str(client.jobs.create_or_update(job).name)
        jobs.watch(client, name, poll_seconds=settings.poll_seconds, deadline_seconds=60, say=lambda _: None)
        returned = datetime.now(UTC)
        ended = client.jobs._runs_operations.get_run_details(name).end_time_utc
        late.append((returned - ended).total_seconds())
    # What the watch asks after the pause, whether it has ended and then what it is, is no waiting.
    asking = max(series({"a job": lambda: client.jobs.get(name)}, 9)["a job"])
    of = "watching a job, s from its end, at the latest: beside one poll and its two questions"
    return at_most(of, max(late), settings.poll_seconds + 2 * asking, 1.0)


def measure(folder: Path, quick: bool) -> list[Figure]:
    """Measure the list, and a task's overhead over importing the SDK and the workspace's own work."""
    del folder
    inv = [sys.executable, "-m", "invoke"]
    with tempfile.TemporaryDirectory(prefix="bench-") as made:
        (Path(made) / "tasks.py").write_text(TRIVIAL)
        place = Path(made) / "ws"
        variables = stage.environment(INVOKE_LOCAL_FOLDER=str(place), PYTHONPATH=str(stage.ROOT / "src"))

        def run(command: list[str], cwd: Path = stage.ROOT) -> None:
            subprocess.run(command, cwd=cwd, env=variables, check=True, stdout=subprocess.DEVNULL)

        name = str(yaml.safe_load((stage.ROOT / "invoke.yaml").read_text())["names"]["model"])
        bare = [sys.executable, "-c", "import azure.ai.ml, azure.identity"]
        catalog.fill(place, *FILLED, name)
        run([*inv, "workspace.start"])
        try:
            found = series(
                {"list": lambda: run([*inv, "--list"]), "trivial": lambda: run([*inv, "--list"], Path(made))},
                5 if quick else 11,
            )
            found |= series(
                {
                    "status": lambda: run([*inv, "status"]),
                    "asks": lambda: run([sys.executable, "-c", ASKS, str(place), name]),
                },
                3 if quick else 5,
            )
            imported = medians({"sdk": lambda: run(bare)}, 3)["sdk"]
            watched = noticed(place, 3 if quick else 7)
        finally:
            run([*inv, "workspace.stop"])
    status, asks = middle(found["status"], found["asks"], operator.sub)
    of = "inv status, {:,} jobs and {:,} versions, s: beside".format(*FILLED)
    return [
        at_most("inv --list, s: beside one empty task", *middle(found["list"], found["trivial"]), 1.3),
        added(f"{of} the same questions through the SDK", status, asks, 0.3, "s"),
        unaimed(f"{of} the import of the SDK", status, imported, "the workspace's answers are in it"),
        watched,
    ]
