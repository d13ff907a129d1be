"""Ready-made calls for other tools: what they hold, and what they never hold."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests

from ops import calls, scoring, status
from ops.errors import OpsError

SAMPLE = Path(__file__).parents[2] / "src/score/sample-request.json"
URI = "http://127.0.0.1:1/flights/score"


@pytest.fixture(scope="module")
def collection() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(calls.postman_collection(URI, SAMPLE, ["blue", "green"])))
    return found


def test_a_collection_is_one_of_postmans_format(collection: dict[str, Any]) -> None:
    """What Postman's schema v2.1.0 (draft 7) requires of the parts that are there, and no part beyond these."""
    assert set(collection) == {"info", "auth", "variable", "item"}
    assert collection["info"] == {
        "name": "azureml-bluegreen",
        "schema": "https://schema.getpostman.com/json/collection/v2.1.0/collection.json",
    }
    assert collection["auth"]["type"] == "bearer"
    assert set(collection["auth"]) == {"type", "bearer"}
    for variable in (*collection["auth"]["bearer"], *collection["variable"]):
        assert {"key", "value"} <= set(variable) <= {"key", "value", "type"}
        assert all(isinstance(value, str) for value in variable.values())
        assert variable.get("type", "string") == "string"
    for item in collection["item"]:
        assert set(item) == {"name", "request"}
        request = item["request"]
        assert set(request) == {"method", "header", "body", "url"}
        assert request["method"] == "POST"
        assert isinstance(request["url"], str)
        assert set(request["body"]) == {"mode", "raw", "options"}
        assert request["body"]["mode"] == "raw"
        assert isinstance(request["body"]["raw"], str)
        assert request["body"]["options"] == {"raw": {"language": "json"}}
        for header in request["header"]:
            assert set(header) == {"key", "value"}
            assert all(isinstance(value, str) for value in header.values())


def test_a_collection_has_each_colour_and_what_is_routed(collection: dict[str, Any]) -> None:
    """One request by the traffic rules, one pinned to each deployment, each with the sample as its body."""
    pins = [[header["value"] for header in item["request"]["header"] if header["key"] == scoring.PIN]
            for item in collection["item"]]  # fmt: skip
    assert pins == [[], ["blue"], ["green"]]
    assert all(json.loads(item["request"]["body"]["raw"]) for item in collection["item"])


def test_a_collection_has_no_key(collection: dict[str, Any]) -> None:
    """The key is a variable, and empty: a collection is shared."""
    values = {variable["key"]: variable["value"] for variable in collection["variable"]}
    assert values == {"scoring_uri": URI, "endpoint_key": ""}
    assert collection["auth"]["bearer"][0]["value"] == "{{endpoint_key}}"


@pytest.mark.parametrize("sample", ["a b.json", "it's.json", "$(rm -rf x).json"])
def test_a_curl_command_survives_any_name_of_a_file(sample: str) -> None:
    """A shell reads it back as the words that were meant; the key is the shell's own variable."""
    words = shlex.split(calls.curl_command(URI, Path(sample), "blue"))
    assert words[words.index("--data") + 1] == f"@{sample}"
    assert words[-1] == URI
    assert f"{scoring.PIN}: blue" in words
    assert f"Authorization: Bearer ${scoring.KEY_VARIABLE}" in words


def test_an_answer_that_is_not_json_is_laid_to_who_gave_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not to the workspace: the scoring script chose it, and its first words are shown. inv score and inv trace."""
    reply = requests.Response()
    reply.status_code, reply._content, reply.headers[scoring.PIN] = 200, b"<html>" + 1000 * b"x", "blue"
    monkeypatch.setattr(scoring, "call", lambda address, body, slot: reply)
    monkeypatch.setattr(scoring, "address_of", lambda client, endpoint: None)
    project: Any = SimpleNamespace(sample=SAMPLE, address=None, endpoint="flights")
    client: Any = None
    said = "flights answered 200, but not JSON: <html>" + 294 * "x"
    with pytest.raises(OpsError, match=f"^{said}$"):
        calls.answer(project, None, None)
    with pytest.raises(OpsError, match=f"^endpoint {said}$"):
        status.trace(client, endpoint="flights", sample=b"{}", slot=None)
