"""What the workspace holds and does, at a glance (GET /local/status), and the way to the page that shows it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from local.wire.call import Call, Json, Reply
from local.wire.sessions import LINK_SECONDS

if TYPE_CHECKING:
    from local.control.state import State

_JOB_STATUSES = ("Queued", "Preparing", "Running", "Finalizing", "CancelRequested", "Completed", "Failed", "Canceled")


async def get_status(state: State, call: Call) -> Reply:
    """Answer jobs by status, models with their latest version, and each endpoint with its split and its counts.

    It runs in the event loop, where the counts are written.
    """
    endpoints: list[Json] = []
    for name in state.store.names("endpoints"):
        body = state.endpoints.get(name).body
        deployments = [
            {
                "name": each.body["name"],
                "state": each.body["state"],
                "model": str(each.body["properties"].get("model", "")).split("/models/")[-1].replace("/versions/", ":"),
                "instances": each.body["sku"]["capacity"],
            }
            for each in state.endpoints.deployments(name)
        ]
        endpoints.append(
            {
                "name": name,
                "state": body["state"],
                "scoring_uri": f"{state.place.scoring}/{name}/score",
                "traffic": body["properties"]["traffic"],
                "mirror_traffic": body["properties"]["mirrorTraffic"],
                "deployments": deployments,
                "requests": state.router.telemetry.totals(name),
            }
        )
    models = state.store.names("models")
    body = {
        "folder": str(state.folder),
        "instance": state.instance,
        "pid": os.getpid(),
        "control": state.place.control,
        "scoring": state.place.scoring,
        "studio": state.place.studio,
        "jobs": {status: count for status in _JOB_STATUSES if (count := state.store.count("jobs", status))},
        "models": {name: state.store.find("models", name=name, limit=1)[0].version for name in models},
        "endpoints": endpoints,
    }
    return Reply(body=body)


async def post_studio_link(state: State, call: Call) -> Reply:
    """Answer an address that signs one browser in at the studio, once. It is a secret: whoever has it is the user.

    The secret stands behind the #, which no browser sends, so no log has it.
    """
    return Reply(201, {"url": f"{state.place.studio}/#link={state.sessions.link()}", "seconds": LINK_SECONDS})
