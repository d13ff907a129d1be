"""Long-running operations: asked for, under way, ended; kept in the store so that none is ever stuck."""

from __future__ import annotations

import secrets

from local.errors import Conflict, NotFound
from local.storage.store import Document, Store, now
from local.wire.call import Call, Json, Reply
from local.wire.place import PROVIDER, Place

# The SDK waits 5 to 30 seconds between two polls unless it is told otherwise.
POLL_HEADERS = {"x-ms-retry-after-ms": "100"}

# Ended operations that can still be asked about.
_KEPT = 1000


class Operations:
    """The operations in the store; the resource that one works on is its mark."""

    def __init__(self, place: Place, store: Store) -> None:
        self.place = place
        self.store = store

    def begin(self, resource: str, verb: str, *, deletes: bool = False) -> str:
        """Record a new operation on a resource and return its id.

        Raises:
            Conflict: another one is under way on it.
        """
        identifier = f"{verb}:{self.place.guid}:{secrets.token_hex(8)}"
        with self.store.transaction():
            self.check_idle(resource)
            body = {"status": "InProgress", "start": now(), "resource": resource, "deletes": deletes}
            self.store.put("operations", identifier, body, mark=f"busy {resource}")
        return identifier

    def check_idle(self, resource: str) -> None:
        """Refuse when an operation is under way on the resource."""
        if self.store.find("operations", mark=f"busy {resource}", limit=1):
            raise Conflict(
                f"Another operation is running on {resource}: wait until it has ended, then try again.",
                code="Conflict",
                detail=("OperationInProgress", f"Another operation is running on {resource}."),
            )

    def end(self, identifier: str, error: Json | None = None) -> None:
        """Record how an operation ended; `error` is {"code", "message"}."""
        with self.store.transaction():
            document = self.get(identifier)
            status = "Failed" if error else "Succeeded"
            # A clock that was set back meanwhile must not end it before it began.
            end = max(now(), document.body["start"])
            body = document.body | {"status": status, "end": end, "error": error}
            self.store.put("operations", identifier, body, mark="ended")
            if document.seq % _KEPT == 0:
                self.store.prune("operations", "ended", _KEPT)

    def get(self, identifier: str) -> Document:
        document = self.store.get("operations", identifier)
        if document is None:
            raise NotFound("Operation", f"Operation with id: {identifier} not found.")
        return document

    def under_way(self) -> list[Document]:
        return self.store.find_marked("operations", "busy ")

    def status_url(self, identifier: str) -> str:
        return f"{self.place.control}{self._base}/mfeOperationsStatus/{identifier}"

    def result_url(self, identifier: str) -> str:
        return f"{self.place.control}{self._base}/mfeOperationResults/{identifier}"

    def accepted(self, identifier: str) -> Reply:
        """Answer 202 with where to ask for the end: what deletes and key rotations get."""
        headers = {
            "Azure-AsyncOperation": self.status_url(identifier),
            "Location": self.result_url(identifier),
            "x-ms-async-operation-timeout": "PT30M",
        }
        return Reply(202, None, headers | POLL_HEADERS)

    def goes_on(self, identifier: str, body: Json, status: int = 201) -> Reply:
        """Answer a write whose work goes on, with the resource as it is now: 201 for every PUT, as recorded."""
        headers = {
            "Azure-AsyncOperation": self.status_url(identifier),
            "Location": f"{self.place.control}{body['id']}",
            "x-ms-async-operation-timeout": "PT30M",
        }
        return Reply(status, body, headers | POLL_HEADERS)

    @property
    def _base(self) -> str:
        return f"/subscriptions/{self.place.subscription_id}/providers/{PROVIDER}/locations/{self.place.location}"


def get_status(operations: Operations, call: Call) -> Reply:
    document = operations.get(call["operation"])
    body = document.body
    answer: Json = {
        "id": call.path,
        "name": document.name,
        # The word that the service uses while it works, whatever it works on.
        "status": "Updating" if body["status"] == "InProgress" else body["status"],
        "startTime": body["start"],
        "percentComplete": 0.0 if body["status"] == "InProgress" else 100.0,
    }
    if body.get("end"):
        answer["endTime"] = body["end"]
    if body.get("error"):
        answer["error"] = body["error"] | {"details": [], "additionalInfo": []}
    return Reply(body=answer, headers=POLL_HEADERS)


def get_result(operations: Operations, call: Call) -> Reply:
    document = operations.get(call["operation"])
    if document.body["status"] == "InProgress":
        return Reply(202, None, {"Location": f"{operations.place.control}{call.path}"} | POLL_HEADERS)
    if error := document.body.get("error"):
        return Reply(409, {"error": error | {"details": [], "additionalInfo": []}})
    return Reply(200, {})
