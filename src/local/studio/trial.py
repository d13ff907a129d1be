"""The Test tab: one request to the scoring address, sent from here so that the page never holds a key."""

from __future__ import annotations

import json
import time
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from local.errors import Invalid, NotFound
from local.routing.ask import ask
from local.routing.exchange import ExchangeFailed
from local.routing.scoring_request import PIN, request_bytes
from local.wire.call import Json

if TYPE_CHECKING:
    from local.control.state import State

MOST_SHOWN = 256 << 10
SECONDS = 190.0
# Of the answer, what says where it came from; the rest is the server's own.
_SHOWN = ("azureml-model-deployment", "azureml-model-session", "content-type", "x-ms-request-id", "x-request-id")


async def send(state: State, given: Json) -> Json:
    """Send the text to an endpoint, pinned to a deployment or as routed, and return all that came back."""
    document = state.endpoints.get(str(given.get("endpoint")))
    text, slot = given.get("body"), str(given.get("slot") or "")
    if not isinstance(text, str):
        raise Invalid("body must be the text of the request")
    if slot and slot not in {each.body["name"] for each in state.endpoints.deployments(document.name)}:
        raise NotFound("Deployment", f"Endpoint {document.name} has no deployment {slot}.")
    headers = [
        (b"content-type", b"application/json"),
        (b"authorization", f"Bearer {_credential(state, document.name)}".encode()),
    ]
    if slot:
        headers.append((PIN, slot.encode()))
    place = urlsplit(state.place.scoring)
    request = request_bytes("POST", f"/{document.name}/score", headers, text.encode())
    started = time.perf_counter()
    try:
        answer = await ask((str(place.hostname), place.port or 80), request, SECONDS)
    except (ExchangeFailed, TimeoutError) as error:
        raise Invalid(f"{place.geturl()} did not answer: {error or type(error).__name__}") from error
    milliseconds = (time.perf_counter() - started) * 1000
    shown = {name.decode("latin-1"): value.decode("latin-1") for name, value in answer.headers}
    return {
        "status": answer.status,
        "reason": HTTPStatus(answer.status).phrase,
        "milliseconds": round(milliseconds, 1),
        "headers": {name: value for name, value in shown.items() if _is_shown(name)},
        "body": _pretty(answer.body[:MOST_SHOWN]),
        "cut": len(answer.body) > MOST_SHOWN,
    }


def _is_shown(name: str) -> bool:
    return name in _SHOWN or name.startswith("ms-azureml-")


def _credential(state: State, endpoint: str) -> str:
    document = state.endpoints.get(endpoint)
    if document.body["properties"]["authMode"] == "Key":
        return str(document.body["keys"][0])
    return str(state.endpoints.token(document)["accessToken"])


def _pretty(body: bytes) -> str:
    text = body.decode(errors="replace")
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except ValueError:
        return text


def sample(state: State, endpoint: str) -> str:
    """Return a request that the endpoint understands: the sample beside its scoring code, else an empty form."""
    for deployment in reversed(state.endpoints.deployments(endpoint)):
        code = (deployment.body["properties"].get("codeConfiguration") or {}).get("codeId")
        if not code:
            continue
        try:
            blob = state.blobs.whole(*_joined(state.assets.code_location(code), "sample-request.json"))
        except NotFound:
            continue
        return blob.path.read_text(errors="replace")
    return '{"input_data": {"columns": [], "data": [[]]}}'


def _joined(location: tuple[str, str], leaf: str) -> tuple[str, str]:
    container, path = location
    return container, f"{path.strip('/')}/{leaf}".strip("/")
