"""What opens an endpoint to callers: its two keys, shown and made anew, or a token."""

from __future__ import annotations

import secrets
from asyncio import to_thread

from local.errors import Invalid
from local.serving.endpoints import Endpoints
from local.storage.store import Document
from local.wire.call import Call, Reply


def list_keys(endpoints: Endpoints, call: Call) -> Reply:
    document = endpoints.get(call["name"])
    if document.body["properties"]["authMode"] != "Key":
        raise Invalid(f"Endpoint {document.name} does not use keys for authentication.")
    primary, secondary = document.body["keys"]
    return Reply(body={"primaryKey": primary, "secondaryKey": secondary})


async def regenerate_keys(endpoints: Endpoints, call: Call) -> Reply:
    """Make one key anew. A keyValue that is a present key counts as none: it is what the SDK sends."""
    given = call.document()
    which = {"primary": 0, "secondary": 1}.get(str(given.get("keyType", "")).lower())
    if which is None:
        raise Invalid("keyType must be Primary or Secondary")

    def rotate() -> tuple[Document, str]:
        with endpoints.store.transaction():
            old = endpoints.get(call["name"])
            operation = endpoints.operations.begin(endpoints.resource(old.name), "rk")
            keys = list(old.body["keys"])
            wish = given.get("keyValue")
            keys[which] = wish if wish and wish not in keys else secrets.token_urlsafe(24)
            endpoints.operations.end(operation)
            return endpoints.change(old.name, keys=keys), operation

    document, operation = await to_thread(rotate)
    endpoints.route(document.name)
    return endpoints.operations.accepted(operation)


def get_token(endpoints: Endpoints, call: Call) -> Reply:
    return Reply(body=endpoints.token(endpoints.get(call["name"])))
