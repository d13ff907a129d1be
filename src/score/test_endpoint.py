"""Call a deployed endpoint with a good request and with bad ones, and say which answers are as they should be.

    python src/score/test_endpoint.py --scoring-uri URI [--deployment green] [--sample FILE] [--timeout 30]
        [--no-auth] [--json]

It stands alone: only `requests` is needed. The key comes from ENDPOINT_KEY, or from a prompt that does not echo
it, and is never printed. Exit code 0: all checks hold. 1: at least one does not. 2: wrong usage. With --json
standard output is a list of {"name", "ok", "detail", "milliseconds"}.

The bad requests are derived from the sample, so that any model's sample will do. A bad one must get a 400. Azure
hands a container's 400 on as 424 with the header ms-azureml-model-error-statuscode: 400; that counts too, and no
other 424 does.
"""

from __future__ import annotations

import argparse
import copy
import getpass
import json
import math
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import requests

PINNED = "azureml-model-deployment"
MODEL_STATUS = "ms-azureml-model-error-statuscode"
NOT_A_COLUMN = "no_such_column"
MOST_LABELS = 2  # a model tells the positive label from all else
SHOWN = 160


@dataclass(frozen=True)
class Check:
    """One request and whether its answer was as it should be."""

    name: str
    ok: bool
    detail: str
    milliseconds: float


def run_checks(
    scoring_uri: str,
    key: str,
    sample: dict[str, Any],
    deployment: str | None = None,
    timeout: float = 30.0,
    expect_auth: bool = True,
) -> list[Check]:
    """Make every check and return them in order; a check that cannot reach the endpoint fails, none raises.

    Pin `deployment` by header where given. Raise ValueError for a sample that has no rows to change.
    """
    columns, rows = _cells(sample)
    headers = {"Content-Type": "application/json"}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    if deployment:
        headers[PINNED] = deployment

    with requests.Session() as session:

        def check(name: str, body: bytes, judge: Callable[[requests.Response], str | None], **changed: str) -> Check:
            started = time.perf_counter()
            try:
                answer = session.post(
                    scoring_uri, data=body, headers={**headers, **changed}, timeout=timeout, allow_redirects=False
                )
                fault = judge(answer)
            except requests.RequestException as error:
                return Check(name, False, _short(f"no answer: {error}"), _since(started))
            return Check(name, fault is None, fault or f"{answer.status_code}", _since(started))

        checks = [check("sample", _body(sample), lambda answer: _good(answer, len(rows), deployment))]
        checks += [check(name, body, _refused) for name, body in _bad_bodies(columns, rows)]
        if expect_auth:
            wrong = check("wrong key", _body(sample), _unauthorised, Authorization="Bearer not-the-key")
            headers.pop("Authorization", None)
            checks += [check("no key", _body(sample), _unauthorised), wrong]
    return checks


def main(argv: list[str] | None = None) -> int:
    """Read the options, the sample and the key; run the checks; print them."""
    parser = argparse.ArgumentParser(description="Test a deployed endpoint with good and bad requests.")
    parser.add_argument("--scoring-uri", required=True, help="where to send requests")
    parser.add_argument("--deployment", help="the deployment to pin by header, such as green")
    parser.add_argument("--sample", type=Path, default=Path(__file__).with_name("sample-request.json"))
    parser.add_argument("--timeout", type=float, default=30.0, help="seconds to wait for each answer")
    parser.add_argument("--no-auth", action="store_true", help="the endpoint asks for no key")
    parser.add_argument("--json", action="store_true", help="print the checks as JSON")
    options = parser.parse_args(argv)
    if not options.scoring_uri.startswith(("http://", "https://")):
        parser.error(f"--scoring-uri {options.scoring_uri}: expected an http or https address")
    try:
        sample = json.loads(options.sample.read_text(encoding="utf-8"))
        _cells(sample)
    except (OSError, ValueError) as error:
        parser.error(f"--sample {options.sample}: {error}")
    key = "" if options.no_auth else os.environ.get("ENDPOINT_KEY") or getpass.getpass("key of the endpoint: ")
    if not key.isascii() or any(character.isspace() for character in key):
        parser.error("the key holds characters that a key cannot have")
    checks = run_checks(
        options.scoring_uri, key, sample, options.deployment, options.timeout, expect_auth=not options.no_auth
    )
    if options.json:
        print(json.dumps([asdict(check) for check in checks]))
    else:
        for check in checks:
            print(f"{'ok  ' if check.ok else 'FAIL'}  {check.name:16} {check.milliseconds:8.1f} ms  {check.detail}")
    return 0 if all(check.ok for check in checks) else 1


def _good(answer: requests.Response, rows: int, deployment: str | None) -> str | None:
    """Say what is wrong with the answer to the sample; None if nothing is."""
    if answer.status_code != 200:
        return _unexpected(answer, "200")
    answered_by = answer.headers.get(PINNED)
    if deployment and answered_by != deployment:
        return f"answered by deployment {answered_by!r}, pinned to {deployment!r}"
    try:
        body = answer.json()
    except ValueError:
        return _short(f"200, but the body is not JSON: {answer.text}")
    if not isinstance(body, dict):
        return "200, but the body is not an object"
    predictions, probabilities = body.get("predictions"), body.get("probabilities")
    for name, values in (("predictions", predictions), ("probabilities", probabilities)):
        if not isinstance(values, list) or len(values) != rows:
            return f'200, but "{name}" is not a list of {rows}'
    for value in predictions or []:
        if not isinstance(value, str | int | float) or (isinstance(value, float) and not math.isfinite(value)):
            return _short(f"200, but the prediction {json.dumps(value)} is not a label")
    labels = sorted({json.dumps(value) for value in predictions or []})
    if len(labels) > MOST_LABELS:
        return _short(f"200, but the predictions are of {len(labels)} labels: {', '.join(labels)}")
    for value in probabilities or []:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            return f"200, but the probability {value!r} is not a number"
        if not 0 <= value <= 1:
            return f"200, but the probability {value} is not between 0 and 1"
    if not isinstance(body.get("model"), dict):
        return '200, but "model" is not an object'
    return None


def _refused(answer: requests.Response) -> str | None:
    handed_on = answer.status_code == 424 and answer.headers.get(MODEL_STATUS) == "400"
    return None if answer.status_code == 400 or handed_on else _unexpected(answer, "400")


def _unauthorised(answer: requests.Response) -> str | None:
    return None if answer.status_code == 401 else _unexpected(answer, "401")


def _unexpected(answer: requests.Response, wanted: str) -> str:
    return _short(f"expected {wanted}, got {answer.status_code}: {answer.text}")


def _cells(sample: Any) -> tuple[list[str], list[list[Any]]]:
    """Read a sample of either shape as columns and rows. Raise ValueError if it is neither."""
    data = sample.get("input_data") if isinstance(sample, dict) else None
    if isinstance(data, dict) and isinstance(data.get("columns"), list) and isinstance(data.get("data"), list):
        columns, rows = list(data["columns"]), list(data["data"])
        for number, row in enumerate(rows):
            if not isinstance(row, list) or len(row) != len(columns):
                raise ValueError(f"row {number} of the sample is not a list of {len(columns)} cells")
    elif isinstance(data, list) and data and all(isinstance(row, dict) for row in data):
        columns, rows = list(data[0]), [list(row.values()) for row in data]
    else:
        raise ValueError('expected {"input_data": {"columns": [...], "data": [[...]]}} or a list of objects')
    if not columns or not rows:
        raise ValueError("the sample has no columns or no rows")
    return columns, rows


def _bad_bodies(columns: list[str], rows: list[list[Any]]) -> list[tuple[str, bytes]]:
    wrong = copy.deepcopy(rows)
    # A list is no cell of any type.
    wrong[0][0] = ["wrong"]
    swapped = copy.deepcopy(rows)
    place = next((index for index, cell in enumerate(rows[0]) if cell is not None), 0)
    swapped[0][place] = 1 if isinstance(rows[0][place], str) else "text"
    return [
        ("not JSON", b"{"),
        ("missing column", _table(columns[1:], [row[1:] for row in rows])),
        ("unknown column", _table([*columns, NOT_A_COLUMN], [[*row, 1] for row in rows])),
        ("wrong type", _table(columns, swapped)),
        ("not a cell", _table(columns, wrong)),
        ("short row", _table(columns, [rows[0][:-1]])),
        ("empty data", _table(columns, [])),
    ]


def _table(columns: list[str], rows: list[list[Any]]) -> bytes:
    return _body({"input_data": {"columns": columns, "data": rows}})


def _body(content: Any) -> bytes:
    return json.dumps(content).encode()


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= SHOWN else line[:SHOWN] + "..."


def _since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 3)


if __name__ == "__main__":
    sys.exit(main())
