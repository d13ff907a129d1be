"""The client's checks against a server that errs on purpose: each error is seen."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from loopback import serving

import test_endpoint as client

SAMPLE = {"input_data": {"columns": ["a", "b"], "data": [["x", None], ["y", 2]]}}
KEY = "k3y-that-must-not-show"
Reply = tuple[int, Any, dict[str, str]]


def sound(headers: dict[str, str], content: Any) -> Reply:
    """Answer as a sound endpoint does."""
    if headers.get("Authorization") != f"Bearer {KEY}":
        return 401, {"error": {"message": "key"}}, {}
    if content != SAMPLE:
        return 400, {"error": {"message": "bad"}}, {}
    body = {"predictions": [0, 1], "probabilities": [0.25, 0.75], "model": {"name": "m", "version": "1"}}
    return 200, body, {client.PINNED: headers.get(client.PINNED, "blue")}


@pytest.fixture
def serve() -> Iterator[Callable[[Callable[[dict[str, str], Any], Reply]], str]]:
    servers = ExitStack()

    def start(answer: Callable[[dict[str, str], Any], Reply]) -> str:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                text = self.rfile.read(int(self.headers["Content-Length"]))
                try:
                    content = json.loads(text)
                except ValueError:
                    content = None
                status, body, headers = answer(dict(self.headers), content)
                out = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(out)))
                self.end_headers()
                self.wfile.write(out)

            def log_message(self, *_: object) -> None:
                """Stay quiet."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.enter_context(serving(server))
        return f"http://127.0.0.1:{server.server_address[1]}/score"

    with servers:
        yield start


def failed(checks: list[client.Check]) -> dict[str, str]:
    return {check.name: check.detail for check in checks if not check.ok}


def test_a_sound_endpoint_passes_with_and_without_a_pin(serve: Any) -> None:
    """Every check, the two about keys among them."""
    uri = serve(sound)
    for deployment in (None, "green"):
        checks = client.run_checks(uri, KEY, SAMPLE, deployment, 10)
        assert failed(checks) == {}
        assert {"no key", "wrong key"} <= {check.name for check in checks}


@pytest.mark.parametrize(
    ("change", "detail"),
    [
        (lambda status, body, headers: (500, body, headers), "expected 200, got 500"),
        (lambda status, body, headers: (status, b"<html>", headers), "the body is not JSON"),
        (lambda status, body, headers: (status, [], headers), "the body is not an object"),
        (lambda status, body, headers: (status, {**body, "predictions": [0]}, headers), '"predictions" is not a list'),
        (
            lambda status, body, headers: (status, {**body, "predictions": [0, None]}, headers),
            "the prediction null is not a label",
        ),
        (
            lambda status, body, headers: (status, {**body, "predictions": [0, [1]]}, headers),
            "the prediction [1] is not a label",
        ),
        (
            lambda status, body, headers: (status, {**body, "predictions": [0, float("nan")]}, headers),
            "the prediction NaN is not a label",
        ),
        (
            lambda status, body, headers: (status, {**body, "probabilities": [0, 1.5]}, headers),
            "is not between 0 and 1",
        ),
        (lambda status, body, headers: (status, {**body, "probabilities": [0, "1"]}, headers), "is not a number"),
        (lambda status, body, headers: (status, {**body, "probabilities": [0, float("nan")]}, headers), "not a number"),
        (lambda status, body, headers: (status, {**body, "model": None}, headers), '"model" is not an object'),
        (lambda status, body, headers: (status, body, {client.PINNED: "blue"}), "answered by deployment 'blue'"),
    ],
)
def test_a_wrong_answer_to_the_sample_is_seen(serve: Any, change: Any, detail: str) -> None:
    """Status, body shape, probabilities, and which deployment answered."""

    def answer(headers: dict[str, str], content: Any) -> Reply:
        reply = sound(headers, content)
        return change(*reply) if reply[0] == 200 else reply

    faults = failed(client.run_checks(serve(answer), KEY, SAMPLE, "green", 10))
    assert list(faults) == ["sample"]
    assert detail in faults["sample"]


def test_more_labels_than_a_model_has_are_seen(serve: Any) -> None:
    """It tells one value of the target from all others."""
    sample = {"input_data": {"columns": ["a", "b"], "data": [["x", 1], ["y", 2], ["z", 3]]}}

    def answer(headers: dict[str, str], content: Any) -> Reply:
        status, body, more = sound(headers, SAMPLE if content == sample else content)
        return status, {**body, "predictions": ["no", "yes", "maybe"], "probabilities": [0.1, 0.9, 0.5]}, more

    faults = failed(client.run_checks(serve(answer), KEY, sample, None, 10))
    assert faults == {"sample": '200, but the predictions are of 3 labels: "maybe", "no", "yes"'}


@pytest.mark.parametrize(
    ("status", "headers", "passes"),
    [
        (400, {}, True),
        (424, {client.MODEL_STATUS: "400"}, True),
        (424, {client.MODEL_STATUS: "500"}, False),
        (424, {}, False),
        (200, {}, False),
        (500, {}, False),
    ],
)
def test_a_bad_request_must_get_a_400_or_azures_424_for_it(
    serve: Any, status: int, headers: dict[str, str], passes: bool
) -> None:
    """Any other status for any bad request is a failed check."""

    def answer(given: dict[str, str], content: Any) -> Reply:
        reply = sound(given, content)
        return (status, {"error": {}}, headers) if reply[0] == 400 else reply

    checks = client.run_checks(serve(answer), KEY, SAMPLE, None, 10)
    bad = [check for check in checks if check.name not in ("sample", "no key", "wrong key")]
    assert [check.ok for check in bad] == [passes] * 7


def test_an_endpoint_that_asks_for_no_key_is_seen(serve: Any) -> None:
    """Where a key is expected, an answer without one is a fault."""
    uri = serve(lambda headers, content: sound({**headers, "Authorization": f"Bearer {KEY}"}, content))
    assert set(failed(client.run_checks(uri, KEY, SAMPLE, None, 10))) == {"no key", "wrong key"}


def test_an_endpoint_that_is_not_there_fails_every_check() -> None:
    """No exception reaches the caller."""
    checks = client.run_checks("http://127.0.0.1:9/score", KEY, SAMPLE, None, 5)
    assert not any(check.ok for check in checks)
    assert all(check.detail.startswith("no answer") for check in checks)


def test_the_key_is_never_shown(
    serve: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Any
) -> None:
    """Neither in the table nor in the JSON; taken from the environment or from a prompt."""
    sample = tmp_path / "sample.json"
    sample.write_text(json.dumps(SAMPLE))
    arguments = ["--scoring-uri", serve(sound), "--sample", str(sample)]
    monkeypatch.setenv("ENDPOINT_KEY", KEY)
    assert client.main([*arguments, "--json"]) == 0
    monkeypatch.delenv("ENDPOINT_KEY")
    monkeypatch.setattr(client.getpass, "getpass", lambda prompt: KEY)
    assert client.main(arguments) == 0
    shown = capsys.readouterr()
    assert KEY not in shown.out + shown.err
    assert "sample" in shown.out


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        '{"input_data": []}',
        '{"input_data": {"columns": [], "data": []}}',
        '{"input_data": {"columns": ["a"], "data": [1]}}',
        '{"input_data": {"columns": ["a", "b"], "data": ["ab"]}}',
        '{"input_data": {"columns": ["a", "b"], "data": [[1]]}}',
    ],
)
def test_a_sample_without_rows_is_wrong_usage(tmp_path: Any, content: str) -> None:
    """Exit code 2, before any request."""
    sample = tmp_path / "sample.json"
    sample.write_text(content)
    with pytest.raises(SystemExit) as stop:
        client.main(["--scoring-uri", "http://127.0.0.1:9/score", "--sample", str(sample), "--no-auth"])
    assert stop.value.code == 2


def test_a_failed_check_is_exit_code_1(tmp_path: Any) -> None:
    """For scripts that only look at the code."""
    sample = tmp_path / "sample.json"
    sample.write_text(json.dumps({"input_data": [{"a": 1}]}))
    assert client.main(["--scoring-uri", "http://127.0.0.1:9/score", "--sample", str(sample), "--no-auth"]) == 1
