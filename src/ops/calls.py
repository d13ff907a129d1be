"""Calls of the endpoint: one made from here, and ready-made ones for other tools, which never hold its key."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ops import console, deployments, endpoints, scoring
from ops.errors import OpsError, UsageError

if TYPE_CHECKING:
    import requests

    from ops.project import Project


def answer(project: Project, file: str | None, slot: str | None) -> None:
    """Send a request and print the answer's body; OpsError for any status but 200."""
    body = scoring.read_request(Path(file) if file else project.sample)
    reply = scoring.call(project.address, body, slot)
    if reply.status_code != 200:
        raise OpsError(f"{project.endpoint} answered {reply.status_code}: {reply.text[:1000]}")
    print(json.dumps(content(reply, project.endpoint), indent=2))


def content(reply: requests.Response, who: str) -> Any:
    """Return the JSON of an answer with status 200; OpsError, with how `who` answered, when it is none."""
    try:
        return reply.json()
    except ValueError:
        raise OpsError(f"{who} answered {reply.status_code}, but not JSON: {reply.text[:300]}") from None


def curl(project: Project, slot: str | None) -> None:
    """Print a cURL command, and on standard error how to set its key, so that `eval "$(inv curl)"` calls it."""
    found = endpoints.get(project.client, project.endpoint)
    print(f'# eval "$({project.command} key --export)" sets {scoring.KEY_VARIABLE}', file=sys.stderr)
    print(scoring.curl(str(found.scoring_uri), project.sample, slot))


def postman(project: Project, file: str) -> None:
    """Write a Postman collection."""
    found = endpoints.get(project.client, project.endpoint)
    slots = sorted(deployments.listed(project.client, project.endpoint))
    target = Path(file)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(scoring.postman(str(found.scoring_uri), project.sample, slots), indent=2))
    console.say(f"{target}: import it in Postman and set its variable endpoint_key")


def key(project: Project, *, export: bool) -> None:
    """Print the key as a shell assignment, only when that was asked for."""
    if not export:
        raise UsageError('a key is not shown: eval "$(inv key --export)" puts it into your shell')
    print(f"export {scoring.KEY_VARIABLE}={project.address.key}")
