"""The scoring address: a single request, and the endpoint's test."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ops import endpoints
from ops.errors import OpsError, TestFailed, UsageError

if TYPE_CHECKING:
    import requests
    from azure.ai.ml import MLClient

PIN = "azureml-model-deployment"
KEY_VARIABLE = "ENDPOINT_KEY"
_TEST_SECONDS = 300


@dataclass(frozen=True)
class Address:
    """Where an endpoint is called, and with which key. The key is never part of its text."""

    uri: str
    key: str

    def __repr__(self) -> str:
        """Return the address without its key."""
        return f"Address({self.uri})"

    def headers(self, slot: str | None = None) -> dict[str, str]:
        """Return the headers of a call; `slot` pins it to one deployment."""
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        return headers | ({PIN: slot} if slot else {})


@dataclass(frozen=True)
class Check:
    """One thing that the test looked at."""

    name: str
    ok: bool
    detail: str
    milliseconds: float


def address_of(client: MLClient, endpoint: str) -> Address:
    """Return where an endpoint is called, with its key; NotFound when it is not there or gives none."""
    return Address(str(endpoints.get(client, endpoint).scoring_uri), endpoints.key(client, endpoint))


def test(root: Path, address: Address, slot: str | None, sample: Path) -> list[Check]:
    """Run the stand-alone endpoint test as a process of its own, and return its checks.

    Raises TestFailed, naming each failed check, when one failed or when the test could not be made.
    """
    command = [sys.executable, str(root / "src/score/test_endpoint.py"), "--scoring-uri", address.uri, "--json"]
    command += ["--sample", str(sample)] + (["--deployment", slot] if slot else [])
    environment = {**os.environ, KEY_VARIABLE: address.key}
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=_TEST_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise TestFailed(f"the endpoint's test of {address.uri} had not ended after {_TEST_SECONDS} s") from None
    try:
        checks = [Check(**found) for found in json.loads(done.stdout)]
    except (ValueError, TypeError):
        said = (done.stderr or done.stdout).strip()
        raise TestFailed(f"the endpoint's test could not be made: {said or f'exit code {done.returncode}'}") from None
    failed = [check for check in checks if not check.ok]
    if failed or not checks:
        faults = "\n".join(f"  {check.name}: {check.detail}" for check in failed)
        said = f"{slot or 'the endpoint'} failed {len(failed)} of {len(checks)} checks\n{faults}"
        raise TestFailed(said, checks=[asdict(check) for check in checks])
    return checks


def call(address: Address, body: Mapping[str, Any] | bytes, slot: str | None = None) -> requests.Response:
    """Send one request and return the answer, whatever its status; OpsError when none came."""
    import requests

    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    try:
        return requests.post(address.uri, data=data, headers=address.headers(slot), timeout=180)
    except requests.RequestException as fault:
        raise OpsError(f"{address.uri} did not answer: {type(fault).__name__}") from fault


def content(reply: requests.Response, who: str) -> Any:
    """Return the JSON of an answer with status 200; OpsError, with how `who` answered, when it is none."""
    try:
        return reply.json()
    except ValueError:
        raise OpsError(f"{who} answered {reply.status_code}, but not JSON: {reply.text[:300]}") from None


def read_request(file: Path) -> bytes:
    """Return the file's bytes; UsageError when it is not there."""
    try:
        return file.read_bytes()
    except OSError as fault:
        raise UsageError(f"{file}: {fault.strerror}; src/score/sample-request.json is one that works") from None
