"""The conditions that a list's query sets for each document."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from local.storage.store import Document
from local.wire.call import Call

Fetch = Callable[[int | None, int], Sequence[Document]]
_BATCH = 500


class Filter:
    """The tags and properties that a document must have, and the values that its fields must have.

    Tags and properties are written as for the service: `a,b=c` asks for a tag a of any value, and a tag b of value c.
    """

    def __init__(self, call: Call, *, tags: str = "tags", fields: Sequence[str] = ()) -> None:
        """Read the query: `tags` is its parameter for tags; each of `fields` names a parameter and a property."""
        self._tags = _pairs(call.query.get(tags, ""))
        self._properties = _pairs(call.query.get("properties", ""))
        self._fields = {key: call.query[key] for key in fields if call.query.get(key)}

    def __call__(self, fetch: Fetch) -> Fetch:
        """Return a fetch that gives only documents that pass, and reads on until it has as many as are asked for."""
        if not (self._tags or self._properties or self._fields):
            return fetch

        def sift(after: int | None, limit: int) -> list[Document]:
            kept: list[Document] = []
            while len(kept) < limit:
                batch = fetch(after, _BATCH)
                kept += filter(self.passes, batch)
                if len(batch) < _BATCH:
                    break
                after = batch[-1].seq
            return kept[:limit]

        return sift

    def passes(self, document: Document) -> bool:
        properties = document.body["properties"]
        fields = properties | {"name": document.name, "version": document.version}
        return (
            # Endpoints have them beside their properties, all others in them.
            _has(document.body.get("tags", properties.get("tags")) or {}, self._tags)
            and _has(properties.get("properties") or {}, self._properties)
            and all(fields.get(key) == value for key, value in self._fields.items())
        )


def _pairs(text: str) -> dict[str, str | None]:
    parts = [each.partition("=") for each in text.split(",") if each]
    return {key: value if mark else None for key, mark, value in parts}


def _has(found: Mapping[str, Any], wanted: Mapping[str, str | None]) -> bool:
    return all(key in found and value in (None, found[key]) for key, value in wanted.items())
