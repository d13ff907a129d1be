"""How many requests does one inference server answer, and how soon after its start? `python -m bench --only servers`.

The same server, the same model, one worker, 8 clients, 1 and 100 rows: with this project's scoring script, and with a
tutorial's (frame/score.py). The two run in turn, so that a busy minute of the machine falls on both, and give the same
answers, which is looked at first.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

import joblib
import skops.io
from bench.figures import Figure, at_least, at_most
from bench.tools import stage
from bench.tools.contest import agree, driven
from bench.tools.load import Address
from bench.tools.processes import free_port, running
from bench.tools.timing import middle, rotated

CLIENTS = 8
FRAME = stage.ROOT / "bench" / "peers" / "dataframe.py"
AIMS = {1: 7.0, 100: 4.5}


def pickled(root: Path) -> Path:
    """Write the pipeline of a model as tutorials keep it, and return its folder."""
    folder = root.parent / "pickled"
    folder.mkdir(exist_ok=True)
    path = root / "model" / "model.skops"
    joblib.dump(skops.io.load(path, trusted=skops.io.get_untrusted_types(file=path)), folder / "model.joblib")
    return folder


@contextlib.contextmanager
def inference_server(
    script: Path, model: Path, folder: Path, unix: Path | None = None
) -> Iterator[tuple[Address, float]]:
    """Run Microsoft's server with one worker; give its address and the seconds to its first answer.

    It listens on the socket `unix` too, where one is given.
    """
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "-b", f"127.0.0.1:{port}", "-w", "1", "--no-control-socket"]
    command += ["-b", f"unix:{unix}"] if unix else []
    # As azmlinfsrv itself starts it, which would listen on every address of the machine.
    command += ["--timeout", "300", "--access-logfile", "-", "--error-logfile", "/dev/null"]
    variables = stage.environment(
        AML_APP_ROOT=str(script.parent), AZUREML_ENTRY_SCRIPT=script.name, AZUREML_MODEL_DIR=str(model),
        AML_APP_INSIGHTS_ENABLED="false",
    )  # fmt: skip
    request = stage.post("/score", stage.bodies(1)["table"])
    whole = [*command, "azureml_inference_server_http.server.entry:app"]
    with running(whole, variables, script.parent, folder / f"{script.parent.name}.log", port, request) as found:
        yield found


def measure(folder: Path, quick: bool) -> list[Figure]:
    """Measure requests a second, and seconds from start to first answer."""
    root = stage.trained(folder, quick)
    scripts = {"ours": (stage.SCORE / "score.py", root), "frame": (FRAME, pickled(root))}
    rounds, seconds = (3, 0.7) if quick else (5, 1.0)
    starts: dict[str, list[float]] = {name: [] for name in scripts}
    for turn in range(1 if quick else 3):
        for name in rotated(scripts, turn):
            with inference_server(*scripts[name], folder) as (_, took):
                starts[name].append(took)
    figures = []
    with contextlib.ExitStack() as stack:
        addresses = {
            name: stack.enter_context(inference_server(script, model, folder))[0]
            for name, (script, model) in scripts.items()
        }
        for count, times in AIMS.items():
            request = stage.post("/score", stage.bodies(count)["table"])
            asked = {name: (address, request) for name, address in addresses.items()}
            single = stage.post("/score", stage.bodies(count, single=True)["table"])
            agree(count, (addresses["ours"], single), (addresses["frame"], single))
            loads = [driven(asked, CLIENTS, seconds, turn) for turn in range(rounds)]
            found = middle([load["ours"].rate for load in loads], [load["frame"].rate for load in loads])
            name = (
                f"inference server, requests/s, {CLIENTS} clients, {count} row{'s' * (count > 1)}: beside a DataFrame"
            )
            figures.append(at_least(name, *found, times))
    name = "start to first answer, s: beside a script that imports pandas and scikit-learn"
    return [*figures, at_most(name, *middle(starts["ours"], starts["frame"]), 0.5)]
