"""What the published API says of an answer, for the api-version that was asked: spec/facts.json, read strictly.

An answer has the status that its operation names, the headers that go with it, and a body without a property that the
version's definition lacks, of the declared types, with words from the declared lists, and with all that is required.
Null is allowed anywhere, for the service sends it. `RECORDED` are the places where the real service, in the recordings
of the SDK's own tests, says what its Swagger does not.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

_DURATION = re.compile(r"P(?=.)(\d+(\.\d+)?D)?(T(?=.)(\d+(\.\d+)?H)?(\d+(\.\d+)?M)?(\d+(\.\d+)?S)?)?")
_PLAIN = {"str": str, "int": int, "long": int, "float": (int, float), "bool": bool}
# Definition, property: what the service sends or leaves out against its definition, and the recording that shows it, of
# sdk/ml/azure-ai-ml/tests/recordings in Azure/azure-sdk-for-python.
RECORDED: dict[tuple[str, str], str] = {
    (f"{kind}DatastoreCredentials", "secrets"): "GET of workspaceblobstore in test_crud_model_with_stage"
    for kind in ("AccountKey", "Sas", "ServicePrincipal", "Certificate")
}
# Headers that the Swagger declares and the recorded answers do not have.
_UNSENT = {"Retry-After"}


@cache
def table() -> Any:
    return json.loads((Path(__file__).parent / "spec/facts.json").read_text())


def version_of(url: str) -> int | None:
    """Return the position of the asked api-version in the table, or None when it has no such version."""
    parts = urlsplit(url)
    name = {"/history/": "runhistory", "/data/v1": "dataset_dataplane"}.get(
        parts.path[:9] if parts.path.startswith("/history") else parts.path[:8],
        parse_qs(parts.query).get("api-version", [""])[0],
    )
    versions = table()["versions"]
    return versions.index(name) if name in versions else None


def find(group: str, name: str, version: int) -> Any:
    """Return the facts of a name for a version, or None."""
    return next((each for each in table()[group].get(name, ()) if version in each["in"]), None)


@cache
def _operations() -> list[tuple[re.Pattern[str], str]]:
    return [
        (re.compile(re.escape(name).replace(r"\{\}", "[^/]+").replace(r"\ ", " "), re.I), name)
        for name in table()["operations"]
    ]


def operation_of(method: str, path: str) -> str | None:
    """Return the operation of a call, as the table names it; None when it has none."""
    return next((name for pattern, name in _operations() if pattern.fullmatch(f"{method} {path.rstrip('/')}")), None)


def faults(method: str, url: str, status: int, headers: Mapping[str, str], body: Any) -> Iterator[str]:
    """Give what the published API has against an answer; nothing when it does not know the call or its version."""
    version = version_of(url)
    operation = operation_of(method, urlsplit(url).path)
    if version is None or operation is None or status == 501:
        return
    if status >= 400:
        yield from check("ErrorResponse", body, "", version)
        return
    facts = find("operations", operation, version)
    if facts is None:
        yield f"{table()['versions'][version]} has no {operation}"
        return
    answer = facts.get(str(status))
    if answer is None:
        yield f"the status is {status}, and {operation} names {', '.join(key for key in facts if key.isdecimal())}"
        return
    under_way = status == 202 or (isinstance(body, dict) and _state(body) not in (None, "Succeeded"))
    for name in answer.get("headers", ()) if under_way else ():
        if name.lower() not in headers and name not in _UNSENT:
            yield f"a {status} without {name}"
    if "body" in answer:
        yield from check(answer["body"], body, "", version)


def _state(body: Mapping[str, Any]) -> Any:
    return (body.get("properties") or {}).get("provisioningState")


def check(kind: Any, value: Any, where: str, version: int) -> Iterator[str]:
    """Give what of a value breaks a declared type."""
    if value is None or kind in ("object", "any"):
        return
    if isinstance(kind, dict):
        yield from _check_object(where, kind, value, where, version)
    elif kind[0] in "[{":
        if not isinstance(value, list if kind[0] == "[" else dict):
            yield f"{where} is {value!r:.80}, no {'list' if kind[0] == '[' else 'map'}"
            return
        for key, each in enumerate(value) if isinstance(value, list) else value.items():
            yield from check(kind[1:-1], each, f"{where}[{key}]", version)
    elif kind[0] == "=":
        words = find("enums", kind[1:], version)["words"]
        if value not in words:
            yield f"{where} is {value!r:.80}, not one of {', '.join(words)}"
    elif definition := find("definitions", kind, version):
        yield from _check_object(kind, definition, value, where, version)
    elif not _is_plain(kind, value):
        yield f"{where} is {value!r:.80}, no {kind}"


def _check_object(kind: str, definition: Any, value: Any, where: str, version: int) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{where or 'the body'} is no object ({kind})"
        return
    if "kinds" in definition:
        word = value.get(definition["discriminator"])
        if word not in definition["kinds"]:
            yield f"{where}.{definition['discriminator']} is {word!r}, not one of {', '.join(definition['kinds'])}"
            return
        if definition["kinds"][word] != kind:
            yield from check(definition["kinds"][word], value, where, version)
            return
    for name in definition.get("required", ()):
        if name not in value and (kind, name) not in RECORDED:
            yield f"{where}.{name} is missing ({kind})".lstrip(".")
    for name, each in value.items():
        place = f"{where}.{name}".lstrip(".")
        if name in definition["properties"]:
            yield from check(definition["properties"][name], each, place, version)
        elif (kind, name) not in RECORDED:
            yield f"{place} is no property of {kind}"


def _is_plain(kind: str, value: Any) -> bool:
    if kind in _PLAIN:
        return isinstance(value, _PLAIN[kind]) and (kind == "bool" or not isinstance(value, bool))
    if not isinstance(value, str):
        return False
    if kind == "duration":
        return _DURATION.fullmatch(value) is not None
    if kind == "iso-8601":
        try:
            datetime.fromisoformat(value)
        except ValueError:
            return False
        return True
    return kind in ("base64", "bytearray", "rfc-1123")
