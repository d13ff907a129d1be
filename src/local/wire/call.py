"""A control-plane call and its answer, free of any HTTP library."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from local.errors import Invalid, TooLarge
from local.storage.store import Document

Json = dict[str, Any]
PAGE = 100
BORN = "2024-01-01T00:00:00+00:00"
"""The time of all that exists as long as the workspace does: there is none that matters."""


@dataclass(frozen=True)
class Call:
    """One request: `path` as asked, `params` from its template.

    `caller` is the job whose token was shown, or "" for the workspace's own.
    """

    method: str
    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    caller: str = ""

    def __getitem__(self, name: str) -> str:
        return self.params[name]

    def document(self) -> Json:
        """Return the body, which must be a JSON object."""
        if not isinstance(self.body, dict):
            raise Invalid(f"{self.method} {self.path} needs a JSON object as its body")
        return self.body

    def properties(self) -> Json:
        """Return the body's properties, which must be an object."""
        found = self.document().get("properties")
        if not isinstance(found, dict):
            raise Invalid(f"{self.method} {self.path} needs an object named properties in its body")
        return found


@dataclass(frozen=True)
class Reply:
    """One answer; `body` None is an empty one."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


async def received(chunks: AsyncIterable[bytes], most: int, what: str) -> bytes:
    """Return a body as it has come, of at most so many bytes; TooLarge, in words about `what`, for more."""
    body = bytearray()
    async for chunk in chunks:
        body += chunk
        if len(body) > most:
            raise TooLarge(f"{what} carries at most {most >> 20} MiB")
    return bytes(body)


def system_data(document: Document | None = None) -> Json:
    """Return who made a resource and when; of one that is there with the workspace, nothing tells when."""
    return {
        "createdAt": document.created if document else BORN,
        "createdBy": "local user",
        "createdByType": "User",
        "lastModifiedAt": document.modified if document else BORN,
        "lastModifiedBy": "local user",
        "lastModifiedByType": "User",
    }


def page(
    call: Call,
    control: str,
    fetch: Callable[[int | None, int], Sequence[Document]],
    render: Callable[[Document], Json],
) -> Reply:
    """Answer one page of a list, with `nextLink` when there is more.

    `fetch(after, limit)` returns documents in order. `$top` is the most that the whole list gives, and `count` the
    most that a page of it has, as the service reads them.
    """
    try:
        top = int(call.query.get("$top", "0") or 0)
        count = int(call.query.get("count", "0") or 0)
        after = int(base64.urlsafe_b64decode(call.query["$skip"])[:18]) if call.query.get("$skip") else None
    except ValueError as error:
        raise Invalid(f"$top, count and $skip are not usable: {error}") from error
    size = min(each for each in (top, count, PAGE) if each > 0)
    found = fetch(after, size + 1)
    shown = found[:size]
    body: Json = {"value": [render(document) for document in shown]}
    if len(found) > size and not 0 < top <= size:
        query = dict(call.query)
        query["$skip"] = base64.urlsafe_b64encode(str(shown[-1].seq).encode()).decode()
        if top:
            query["$top"] = str(top - size)
        body["nextLink"] = f"{control}{call.path}?{urlencode(query)}"
    return Reply(body=body)


def archived_filter(call: Call) -> bool | None:
    """Translate `listViewType`: ActiveOnly (the default), ArchivedOnly or All."""
    return {"ArchivedOnly": True, "All": None}.get(call.query.get("listViewType", ""), False)
