"""What `inv score`, `curl`, `postman` and `key` do: one call made here, and ready-made ones, which never hold a key."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ops import console, deployments, endpoints, scoring
from ops.errors import OpsError, UsageError

if TYPE_CHECKING:
    from ops.project import Project


def answer(project: Project, file: str | None, slot: str | None) -> None:
    """Send a request and print the answer's body; OpsError for any status but 200."""
    body = scoring.read_request(Path(file) if file else project.sample)
    reply = scoring.call(project.address, body, slot)
    if reply.status_code != 200:
        raise OpsError(f"{project.endpoint} answered {reply.status_code}: {reply.text[:1000]}")
    print(json.dumps(scoring.content(reply, project.endpoint), indent=2))


def curl(project: Project, slot: str | None) -> None:
    """Print a cURL command, and on standard error how to set its key, so that `eval "$(inv curl)"` calls it."""
    found = endpoints.get(project.client, project.endpoint)
    print(f'# eval "$({project.command} key --export)" sets {scoring.KEY_VARIABLE}', file=sys.stderr)
    print(curl_command(str(found.scoring_uri), project.sample, slot))


def postman(project: Project, file: str) -> None:
    """Write a Postman collection."""
    found = endpoints.get(project.client, project.endpoint)
    slots = sorted(deployments.listed(project.client, project.endpoint))
    target = Path(file)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(postman_collection(str(found.scoring_uri), project.sample, slots), indent=2))
    console.say(f"{target}: import it in Postman and set its variable endpoint_key")


def key(project: Project, *, export: bool) -> None:
    """Print the key as a shell assignment, only when that was asked for."""
    if not export:
        raise UsageError('a key is not shown: eval "$(inv key --export)" puts it into your shell')
    print(f"export {scoring.KEY_VARIABLE}={project.address.key}")


def curl_command(uri: str, sample: Path, slot: str | None) -> str:
    """Return the cURL command for the sample. The key stays in a variable, so that no shell history keeps it."""
    words = ["curl", "--silent", "--show-error", "--fail-with-body"]
    headers = [f'"Authorization: Bearer ${scoring.KEY_VARIABLE}"', shlex.quote("Content-Type: application/json")]
    headers += [shlex.quote(f"{scoring.PIN}: {slot}")] if slot else []
    words += [word for header in headers for word in ("--header", header)]
    return " ".join([*words, "--data", shlex.quote(f"@{sample}"), shlex.quote(uri)])


def postman_collection(uri: str, sample: Path, slots: list[str]) -> dict[str, Any]:
    """Return a Postman collection (schema 2.1) of the sample, as routed and pinned to each slot."""
    body = {"mode": "raw", "raw": sample.read_text(), "options": {"raw": {"language": "json"}}}

    def request(slot: str | None) -> dict[str, Any]:
        headers = [{"key": "Content-Type", "value": "application/json"}]
        headers += [{"key": scoring.PIN, "value": slot}] if slot else []
        return {
            "name": f"score {slot}" if slot else "score",
            "request": {"method": "POST", "header": headers, "body": body, "url": "{{scoring_uri}}"},
        }

    return {
        "info": {
            "name": "azureml-bluegreen",
            "schema": "https://schema.getpostman.com/json/collection/v2.1.0/collection.json",
        },
        "auth": {"type": "bearer", "bearer": [{"key": "token", "value": "{{endpoint_key}}", "type": "string"}]},
        "variable": [{"key": "scoring_uri", "value": uri}, {"key": "endpoint_key", "value": ""}],
        "item": [request(slot) for slot in (None, *slots)],
    }
