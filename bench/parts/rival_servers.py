"""Other servers of models beside Microsoft's with this project's script: `python -m bench --only rival_servers`.

`--peers` names a folder of environments, one for each of them (`nox -s bench` makes them). All serve the same graph by
onnxruntime with the same rows, one worker and one thread, with the switches that make them fastest for this; only ours
checks each cell of a request. Before anything is timed, a peer's answers must be ours.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bench.figures import Figure, at_least
from bench.parts.servers import CLIENTS, inference_server
from bench.tools import stage
from bench.tools.contest import agree, driven
from bench.tools.load import Address
from bench.tools.processes import ServerFailed, free_port, running
from bench.tools.timing import middle

SCRIPTS = stage.ROOT / "bench" / "peers"


def mlflow(peer: Path, root: Path, folder: Path, port: int) -> tuple[list[str], Path]:
    """Write the model in MLflow's form, and return the command and the folder to serve from."""
    written = folder / "mlflow-model"
    shutil.rmtree(written, ignore_errors=True)
    python = str(peer / "bin" / "python")
    variables = stage.environment(PYTHONPATH=str(SCRIPTS))
    subprocess.run(
        [python, str(SCRIPTS / "flow.py"), str(root), str(written)],
        check=True, env=variables, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    command = [str(peer / "bin" / "mlflow"), "models", "serve", "-m", str(written), "-p", str(port), "-h", "127.0.0.1"]
    return [*command, "--env-manager", "local", "-w", "1"], folder


def mlserver(peer: Path, root: Path, folder: Path, port: int) -> tuple[list[str], Path]:
    """Write MLServer's two files of settings, and return the command and the folder to serve from."""
    served = folder / "mlserver"
    served.mkdir(exist_ok=True)
    general = {"host": "127.0.0.1", "http_port": port, "grpc_port": free_port(), "metrics_port": free_port()}
    quiet = {"debug": False, "parallel_workers": 0, "metrics_endpoint": None, "access_log": False}
    (served / "settings.json").write_text(json.dumps(general | quiet))
    (served / "model-settings.json").write_text(json.dumps({"name": "flights", "implementation": "seldon.Flights"}))
    return [str(peer / "bin" / "mlserver"), "start", str(served)], served


def litserve(peer: Path, root: Path, folder: Path, port: int) -> tuple[list[str], Path]:
    """Return the command and the folder to serve from."""
    return [str(peer / "bin" / "python"), str(SCRIPTS / "lit.py"), str(port), str(root)], folder


def bentoml(peer: Path, root: Path, folder: Path, port: int) -> tuple[list[str], Path]:
    """Return the command and the folder to serve from."""
    command = [str(peer / "bin" / "bentoml"), "serve", "bento:Flights", "-p", str(port), "--host", "127.0.0.1"]
    return command, SCRIPTS


def asked(name: str, columns: list[str], cells: list[list[Any]], graph: tuple[list[str], list[str]]) -> bytes:
    """Spell the same rows as each server takes them."""
    table = {"columns": columns, "data": cells}
    if name == "mlflow":
        return stage.post("/invocations", json.dumps({"dataframe_split": table}).encode())
    if name == "mlserver":
        numbers, texts = ([[row[columns.index(each)] for each in names] for row in cells] for names in graph)
        inputs = [
            {"name": "numbers", "shape": [len(cells), len(graph[0])], "datatype": "FP32", "data": numbers},
            {
                "name": "texts",
                "shape": [len(cells) * len(graph[1])],
                "datatype": "BYTES",
                "data": [cell for row in texts for cell in row],
            },
        ]
        return stage.post("/v2/models/flights/infer", json.dumps({"inputs": inputs}).encode())
    path = "/score" if name == "ours" else "/predict"
    return stage.post(path, json.dumps({"input_data": table}).encode())


PEERS: dict[str, Callable[[Path, Path, Path, int], tuple[list[str], Path]]] = {
    "mlflow": mlflow,
    "mlserver": mlserver,
    "litserve": litserve,
    "bentoml": bentoml,
}


@contextlib.contextmanager
def served(name: str, peer: Path, root: Path, folder: Path, request: bytes) -> Iterator[Address]:
    """Run a peer until it answers."""
    port = free_port()
    command, where = PEERS[name](peer, root, folder, port)
    variables = stage.environment(PYTHONPATH=str(SCRIPTS), BENCH_MODEL=str(root), BENTOML_DO_NOT_TRACK="True")
    # Some of them start programs of their environment by name.
    variables["PATH"] = f"{peer / 'bin'}:{variables['PATH']}"
    with running(command, variables, where, folder / f"{name}.log", port, request) as (address, _):
        yield address


def version(peer: Path) -> str:
    """Return the version of a peer in its environment. Raise CalledProcessError when it is not there."""
    command = [str(peer / "bin" / "python"), "-c", f"import importlib.metadata as m; print(m.version({peer.name!r}))"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def beside(
    ours: Address, theirs: Address, name: str, requests: dict[int, dict[str, bytes]], quick: bool
) -> list[Figure]:
    """Measure both in turn, after their answers were found to be the same."""
    asked = {
        count: {"ours": (ours, spelled["ours"]), name: (theirs, spelled[name])} for count, spelled in requests.items()
    }
    for count, both in asked.items():
        agree(count, both["ours"], both[name])
    rounds, seconds = (3, 0.5) if quick else (5, 0.6)
    figures = []
    for count, both in asked.items():
        loads = [driven(both, CLIENTS, seconds, turn) for turn in range(rounds)]
        found = middle([load["ours"].rate for load in loads], [load[name].rate for load in loads])
        of = f"requests/s, {CLIENTS} clients, {count} row{'s' * (count > 1)}: beside {name}"
        figures.append(at_least(f"inference server, {of}", *found, 1.0))
    return figures


def measure(folder: Path, quick: bool, peers: Path, said: list[str]) -> list[Figure]:
    """Measure requests a second of ours and of each peer; `said` gets their versions, and why one was not measured."""
    root = stage.trained(folder, quick)
    columns = json.loads((root / "model" / "signature.json").read_text())["columns"]
    graph = (
        [column["name"] for column in columns if column["type"] != "text"],
        [column["name"] for column in columns if column["type"] == "text"],
    )
    requests = {
        count: {name: asked(name, *stage.rows(count, whole=True), graph) for name in ("ours", *PEERS)}
        for count in (1, 100)
    }
    figures: list[Figure] = []
    versions = []
    with inference_server(stage.SCORE / "score.py", root, folder) as (ours, _):
        for name in PEERS:
            try:
                found = version(peers / name)
                with served(name, peers / name, root, folder, requests[1][name]) as theirs:
                    figures += beside(ours, theirs, name, requests, quick)
                versions.append(f"{name} {found}")
            except FileNotFoundError:
                said.append(f"Not measured: {name}: its environment was not made.")
            except subprocess.CalledProcessError as error:
                said.append(f"Not measured: {name}: {_last_line(error.stderr or '') or error}")
            except (ServerFailed, OSError, http.client.HTTPException, ValueError, KeyError) as error:
                said.append(f"Not measured: {name}: {_last_line(str(error)) or type(error).__name__}")
    if versions:
        said.insert(0, f"Other servers: {', '.join(versions)}.")
    return figures


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:200] if lines else ""
