"""Params and metrics reach an MLflow server over HTTP, and its faults cost a warning only."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from loopback import serving

import tracking


class Recorder(BaseHTTPRequestHandler):
    """Answers the calls of a run as MLflow's REST API does, and keeps their bodies."""

    calls: list[tuple[str, dict[str, object]]]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.calls.append((self.path.rsplit("mlflow/", 1)[-1], body))
        self._answer({"run": self._run()} if "create" in self.path else {"run_info": self._run()["info"]})

    def do_GET(self) -> None:
        self._answer({"run": self._run()})

    def _run(self) -> dict[str, object]:
        return {
            "info": {"run_id": "r1", "run_uuid": "r1", "experiment_id": "0", "status": "RUNNING", "artifact_uri": "a"},
            "data": {},
        }

    def _answer(self, content: object) -> None:
        text = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        """Stay quiet."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadingHTTPServer]:
    Recorder.calls = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Recorder)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{server.server_address[1]}")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with serving(server):
        yield server


def test_params_and_metrics_arrive(server: ThreadingHTTPServer) -> None:
    """One run is made and ended, and no model is logged."""
    assert tracking.track({"model": "logistic"}, {"split_auc": 0.5}) is None
    text = json.dumps(Recorder.calls)
    assert '"logistic"' in text
    assert '"split_auc"' in text
    assert any(path == "runs/update" and body["status"] == "FINISHED" for path, body in Recorder.calls)
    assert "logged-models" not in text


def test_a_server_that_is_gone_costs_a_warning(server: ThreadingHTTPServer) -> None:
    """The training is not lost with its tracking."""
    server.shutdown()
    server.server_close()
    assert "metrics were not tracked" in (tracking.track({"model": "x"}, {}) or "")


def test_without_an_address_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow is not even imported."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert tracking.track({}, {}) is None
