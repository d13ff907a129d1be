"""Updates that take their time, as they do on Azure: until one ends, its resource is read as it was before it.

What Azure was recorded to do with an endpoint: a write is answered with the old split and `Updating`, another write
meanwhile is refused with 409, and some 20 s later the new split is there.
"""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
from collections.abc import Awaitable, Callable

from local.errors import Conflict, NotFound, Refusal
from local.wire.call import Call, Json, Reply
from local.wire.operations import POLL_HEADERS

Answer = Callable[[Call], Awaitable[Reply]]

_LOG = logging.getLogger("local")
_OPERATION = re.compile(r".*/updates/(late:\w+)", re.I)


class LateUpdates:
    """The updates that were accepted and have not taken effect, by path, and how those ended that have."""

    def __init__(self, control: str) -> None:
        """`control` is the address of the control plane."""
        self._address = control
        self._before: dict[str, Json] = {}
        self._ended: dict[str, Json | None] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def begin(self, call: Call, answer: Answer, seconds: float) -> Reply:
        """Accept an update that takes effect so much later; what is not there yet is made at once."""
        try:
            found = await answer(Call("GET", call.path))
        except NotFound:
            return await answer(call)
        if self.told(Call("GET", call.path)) is not None:
            raise _busy()  # another one has come in between
        properties = found.body["properties"] | {"provisioningState": "Updating"}
        self._before[call.path.lower()] = before = found.body | {"properties": properties}
        identifier = f"late:{secrets.token_hex(8)}"
        task = asyncio.create_task(self._end(identifier, call, answer, seconds))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        operation = {"Azure-AsyncOperation": f"{self._address}{call.path}/updates/{identifier}"}
        return Reply(200, before, operation | POLL_HEADERS)

    def told(self, call: Call) -> Reply | None:
        """Answer what concerns an update that has begun; None for any other call.

        Raises:
            Conflict: the call would write what an update is under way on.
        """
        if asked := _OPERATION.fullmatch(call.path):
            return Reply(body=self._status(asked[1]), headers=POLL_HEADERS)
        before = self._before.get(call.path.lower())
        if before is None or call.method not in ("GET", "PUT", "PATCH", "DELETE"):
            return None
        if call.method != "GET":
            raise _busy()
        return Reply(body=before)

    def _status(self, identifier: str) -> Json:
        if identifier not in self._ended:
            return {"name": identifier, "status": "Updating"}
        error = self._ended[identifier]
        return {"name": identifier, "status": "Failed", "error": error} if error else {"status": "Succeeded"}

    async def _end(self, identifier: str, call: Call, answer: Answer, seconds: float) -> None:
        refusal = None
        try:
            await asyncio.sleep(seconds)
            await answer(call)
        except Refusal as refused:
            refusal = refused
        except Exception as fault:  # as of a full disk: it has not taken effect either
            _LOG.exception("%s %s", call.method, call.path)
            refusal = Refusal(str(fault))
        del self._before[call.path.lower()]
        self._ended[identifier] = refusal.to_json()["error"] if refusal else None


def _busy() -> Conflict:
    return Conflict("Another operation is running on it: wait until it has ended, then try again.")
