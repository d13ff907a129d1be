"""The scoring script in the real inference server, called by the real client, over a real socket."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import requests
import skops.io
from sklearn.impute import SimpleImputer
from sklearn.kernel_approximation import Nystroem
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tests import own_data

import model
import score
import test_endpoint as client
import train

pytestmark = pytest.mark.integration

FOLDER = Path(score.__file__).parent


@contextmanager
def inference_server(model_dir: Path, log: Path, **environment: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Start Microsoft's server on a free port of the loopback address, and stop it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "gunicorn", "-b", f"127.0.0.1:{port}", "-w", "1", "--access-logfile", "-"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "azureml_inference_server_http.server.entry:app"],
            cwd=FOLDER,
            env={
                "PATH": os.environ["PATH"],
                "AML_APP_ROOT": str(FOLDER),
                "AZUREML_ENTRY_SCRIPT": "score.py",
                "AZUREML_MODEL_DIR": str(model_dir),
                **environment,
            },
            stdout=output,
            stderr=output,
        )
    try:
        yield process, f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


def wait_until_healthy(process: subprocess.Popen[bytes], address: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert process.poll() is None, "the server ended"
        try:
            if requests.get(address, timeout=5).status_code == 200:
                return
        except (requests.ConnectionError, requests.Timeout):
            # It is asked while it still imports what it serves. The process is watched above; wait() gives way to it.
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(0.1)
    raise AssertionError("the server did not become healthy")


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("server") / "log"


@pytest.fixture(scope="module")
def address(models: Path, log: Path) -> Iterator[str]:
    with inference_server(models / "1", log, SCORE_MAX_ROWS="10", SCORE_MAX_BYTES="20000") as (process, url):
        wait_until_healthy(process, url)
        yield url


def test_every_check_of_the_client_holds(address: str) -> None:
    """row_16: the sample is answered in full, and each bad request gets a 400."""
    checks = client.run_checks(f"{address}/score", "", own_data.sample(), expect_auth=False)
    assert [check.name for check in checks if not check.ok] == []
    assert len(checks) == 8


def test_a_refusal_is_json_with_a_reason(address: str) -> None:
    """A 400 whose body names the row and the column."""
    sample = own_data.sample()
    sample["input_data"]["data"][1][0] = "old"
    answer = requests.post(f"{address}/score", json=sample, timeout=30)
    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json() == {
        "error": {"code": "BadRequest", "message": "row 1, column 'age': expected a number, found a text"}
    }


def test_an_answer_names_the_model_and_its_version(address: str) -> None:
    """So that a caller can trace it."""
    answer = requests.post(f"{address}/score", json=own_data.sample(), timeout=30)
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json()["model"] == {"name": "club", "version": "1"}


def test_the_log_tells_of_a_request_once(address: str, log: Path) -> None:
    """With its status and its time, and nothing else: logging.json and score.py keep back what says the same again."""
    sample = own_data.sample()
    before = len(log.read_text().splitlines())
    requests.post(f"{address}/score", json=sample, timeout=30)
    sample["input_data"]["data"][0].pop()
    requests.post(f"{address}/score", json=sample, timeout=30)
    said = [line.partition(" - ")[2].split(" ") for line in log.read_text().splitlines()[before:]]
    assert [words[:3] for words in said] == [["POST", "/score", "200"], ["POST", "/score", "400"]]
    assert all(words[3].endswith("ms") for words in said)


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_beyond_the_limit_is_refused(address: str, chunked: bool) -> None:
    """With its length announced, and without."""
    body = b" " * 30_000
    data: Any = iter([body]) if chunked else body
    answer = requests.post(f"{address}/score", data=data, timeout=30)
    assert answer.status_code == 400
    assert "more than 20000 bytes" in answer.json()["error"]["message"]


def test_only_post_is_scored(address: str) -> None:
    """A GET of the scoring address is not a request with an empty body."""
    assert requests.get(f"{address}/score", timeout=30).status_code == 405


def test_the_client_runs_alone_and_prints_json(address: str, tmp_path: Path) -> None:
    """As a process, from another folder, with --json."""
    sample = tmp_path / "sample.json"
    sample.write_text(json.dumps(own_data.sample()))
    command = [sys.executable, str(FOLDER / "test_endpoint.py"), "--scoring-uri", f"{address}/score"]
    done = subprocess.run(
        [*command, "--sample", str(sample), "--no-auth", "--json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    checks = json.loads(done.stdout)
    assert {"name", "ok", "detail", "milliseconds"} == set(checks[0])
    assert all(check["ok"] for check in checks)


def test_a_model_that_is_not_there_ends_the_server_and_the_log_says_why(tmp_path: Path) -> None:
    """init() raising is how a deployment fails."""
    log = tmp_path / "log"
    with inference_server(tmp_path, log) as (process, _):
        assert process.wait(60) == 3
    assert "one signature.json is needed below" in log.read_text()


@pytest.mark.slow
def test_a_pipeline_that_does_not_convert_is_trained_and_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """From the training script to the server's answer, which is the pipeline's own, with null and an unseen text."""

    def build(kind: str, features: pd.DataFrame, numbers: int) -> Any:
        pipeline = plain(kind, features, numbers)
        steps = make_pipeline(SimpleImputer(strategy="median"), StandardScaler(), Nystroem(n_components=5))
        return pipeline.set_params(columns__numbers=steps)

    plain = model.build
    monkeypatch.setattr(model, "build", build)
    own_data.write(tmp_path / "data")
    root = tmp_path / "azureml-models" / "club" / "4"
    options = {"data": tmp_path / "data" / "dev", "model-output": root / "model", "report-output": tmp_path / "report"}
    options |= {name.replace("_", "-"): value for name, value in own_data.SETTINGS.items()}
    assert train.main([part for name, value in options.items() for part in (f"--{name}", str(value))]) == 0
    assert "model.skops is served: the pipeline does not convert" in capsys.readouterr().out

    sample = own_data.sample()
    columns, cells = sample["input_data"]["columns"], sample["input_data"]["data"]
    cells[0][columns.index("plan")] = "never seen"
    with inference_server(root, tmp_path / "log") as (process, url):
        wait_until_healthy(process, url)
        answer = requests.post(f"{url}/score", json=sample, timeout=30)
        refused = requests.post(f"{url}/score", json={"input_data": [{"age": "old"}]}, timeout=30)
    assert (answer.status_code, refused.status_code) == (200, 400)

    pipeline = skops.io.load(root / "model" / "model.skops", trusted=sorted(score.TRUSTED))
    frame = pd.DataFrame(cells, columns=columns)
    texts = ["plan", "town"]
    numbers = frame.drop(columns=texts).astype(np.float32)
    expected = pipeline.predict_proba(pd.concat([numbers, frame[texts]], axis=1))[:, 1]
    assert np.allclose(answer.json()["probabilities"], expected, atol=1e-6)
    assert answer.json()["model"] == {"name": "club", "version": "4"}
