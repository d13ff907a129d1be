"""From a call to its operation in the table; what no operation does is named and refused."""

from __future__ import annotations

import inspect
import re
from asyncio import to_thread
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from local.control.bodies import BODIES
from local.control.state import State
from local.control.table import Operation, table
from local.errors import NotFound, Unsupported
from local.wire.call import Call, Reply
from local.wire.schema import checked


class Api:
    """Finds the operation of a call, and has it done off the event loop unless it is asynchronous."""

    def __init__(self, state: State) -> None:
        self.workspace_id = state.place.id
        self.operations = table(state)
        self._routes = [
            (operation.method, _pattern(operation.path, self.workspace_id), operation) for operation in self.operations
        ]

    def find(self, method: str, path: str) -> tuple[Operation, Mapping[str, str]]:
        """Return the operation and what its path names.

        Raises:
            NotFound: it is about another workspace.
            Unsupported: nothing here does it.
        """
        for each, pattern, operation in self._routes:
            if each == method and (match := pattern.fullmatch(path)):
                return operation, match.groupdict()
        below = re.search(r"/workspaces/([^/]+)(/.*)?$", path, re.I)
        if below and self.workspace_id.lower() not in path.lower():
            raise NotFound("Workspace", f"Workspace {below[1]} not found: this one is {self.workspace_id}.")
        raise Unsupported(f"{method} {below[2] or '/' if below else path}")

    async def answer(self, call: Call) -> Reply:
        operation, params = self.find(call.method, call.path)
        call = replace(call, params=params, body=checked(call.body, BODIES.get(operation.name, object)))
        function = operation.handler.func if isinstance(operation.handler, partial) else operation.handler
        if inspect.iscoroutinefunction(function):
            found = operation.handler(call)
        else:
            found = await to_thread(operation.handler, call)
        return await found if inspect.isawaitable(found) else found


def _pattern(path: str, workspace_id: str) -> re.Pattern[str]:
    """Return the expression for a path. Resource ids are the same in any case of letters; names are not."""
    full = path.replace("{workspace}", workspace_id) if path.startswith("/") else f"{workspace_id}/{path}".rstrip("/")
    parts = re.split(r"(\{\w+\})", full)
    return re.compile(
        "".join(f"(?P<{part[1:-1]}>[^/]+)" if part.startswith("{") else re.escape(part) for part in parts) + "/?",
        re.I,
    )
