"""The work behind deployments: have them served, serve them again after a restart, take them away."""

from __future__ import annotations

import asyncio
import logging
from asyncio import to_thread
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

from local.errors import LocalError
from local.serving.deployments import Deployments
from local.serving.instance import DeploymentFailed
from local.serving.supervisor import Supervisor
from local.storage.retry import retrying
from local.storage.store import Document
from local.wire.call import Json

_LOG = logging.getLogger("local")


class Deployer:
    """Carries out what the deployments in the store ask for, by way of the supervisor."""

    def __init__(self, deployments: Deployments, supervisor: Supervisor) -> None:
        self.deployments = deployments
        self.endpoints = deployments.endpoints
        self.store = deployments.store
        self.operations = deployments.operations
        self.supervisor = supervisor
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Let work go on by itself."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def apply(self, document: Document, operation: str) -> None:
        """Bring about what a deployment asks for, and end its operation either way."""
        wanted = {"properties": document.body["properties"], "sku": document.body["sku"]}
        failure = await self._serve(document.body["endpoint"], document.body["name"], wanted)
        changes: Json = {"state": "Failed"} if failure else {"state": "Succeeded", "serving": wanted}

        def settle() -> None:
            with self.store.transaction():
                self.deployments.change(document, **changes)
                self.operations.end(operation, failure)

        await retrying(settle, f"the end of {operation}")

    async def _serve(self, endpoint: str, name: str, wanted: Json) -> Json | None:
        """Have the supervisor serve it; return the error, or None."""
        try:
            await self.supervisor.apply(await to_thread(self.deployments.spec, endpoint, name, wanted))
        except DeploymentFailed as error:
            tail = f"\n{error.log_tail}" if error.log_tail else ""
            return {"code": "ResourceNotReady", "message": f"{error}{tail}"}
        except LocalError as error:
            return {"code": "BadArgument", "message": str(error)}
        except OSError as error:
            return {"code": "InternalServerError", "message": f"The deployment could not be started: {error}"}
        except Exception as error:
            # Whatever it is: what is asked for must not stay under way for ever.
            _LOG.exception("deployment %s of endpoint %s could not be started", name, endpoint)
            return {"code": "InternalServerError", "message": f"The deployment could not be started: {error!r}"}
        return None

    async def _stop(self, endpoint: str, name: str) -> None:
        with _logged(f"deployment {name} of endpoint {endpoint} could not be stopped"):
            await self.supervisor.remove(endpoint, name)

    async def remove(self, document: Document, operation: str) -> None:
        """Stop a deployment and forget it."""
        endpoint, name = document.body["endpoint"], document.body["name"]
        await self._stop(endpoint, name)

        def forget() -> None:
            with self.store.transaction():
                self.store.delete("deployments", document.name)
                self.endpoints.drop_traffic(endpoint, name)
                self.operations.end(operation)

        await retrying(forget, f"the end of {operation}")
        self.endpoints.route(endpoint)

    async def remove_endpoint(self, endpoint: str, operation: str) -> None:
        """Stop and forget an endpoint with all that is deployed on it."""
        self.endpoints.route(endpoint)
        found = await to_thread(self.endpoints.deployments, endpoint)
        await asyncio.gather(*(self._stop(endpoint, each.body["name"]) for each in found))

        def forget() -> None:
            with self.store.transaction():
                for each in self.endpoints.deployments(endpoint):
                    self.store.delete("deployments", each.name)
                self.store.delete("endpoints", endpoint)
                self.operations.end(operation)

        await retrying(forget, f"the end of {operation}")

    async def recover(self) -> None:
        """Serve again what was serving; end the operations that the last server left under way.

        What cannot be recovered is logged, and holds up neither the rest nor the start.
        """
        await to_thread(self.deployments.cache.sweep)
        for name in self.store.names("deployments"):
            endpoint = name.partition("/")[0]
            if self.store.get("endpoints", endpoint) is None:
                _LOG.error("deployment %s is forgotten: there is no endpoint %s", name, endpoint)
                with _logged(f"deployment {name} could not be forgotten"):
                    self.store.delete("deployments", name)
        for operation in self.operations.under_way():
            with _logged(f"operation {operation.name} could not be recovered"):
                self._end_cut_off(operation)
        for name in self.store.names("endpoints"):
            if self.endpoints.get(name).body["state"] != "Deleting":
                for each in self.endpoints.deployments(name):
                    if each.body.get("serving"):
                        self.start(self._resume(each))
            with _logged(f"endpoint {name} could not be recovered"):
                self.endpoints.route(name)

    def _end_cut_off(self, operation: Document) -> None:
        """Go on with a deletion that the last server began; fail whatever else it was about."""
        kind, _, rest = str(operation.body["resource"]).partition("/")
        endpoint, _, deployment = rest.partition("/deployments/")
        found = self.store.get("deployments", f"{endpoint}/{deployment}") if deployment else None
        if operation.body.get("deletes") and kind == "onlineEndpoints":
            if not deployment:
                self.start(self.remove_endpoint(endpoint, operation.name))
            elif found:
                self.start(self.remove(found, operation.name))
            else:
                self.operations.end(operation.name)
            return
        gone: Json = {"code": "Interrupted", "message": "The local workspace was stopped while this was under way."}
        with self.store.transaction():
            if found is not None:
                self.deployments.change(found, state="Failed")
            self.operations.end(operation.name, gone)

    async def close(self) -> None:
        """Give up the work that is under way; the next server ends its operations."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def settle(self, seconds: float) -> None:
        """Wait a while for the work that is under way."""
        if self._tasks:
            await asyncio.wait(tuple(self._tasks), timeout=seconds)

    async def _resume(self, document: Document) -> None:
        """Serve what was serving. What fails now is kept, and tried again at the next start."""
        body = document.body
        failure = await self._serve(body["endpoint"], body["name"], body["serving"])
        if failure:
            _LOG.error("deployment %s does not serve again: %s", document.name, failure["message"])
        as_asked = body["serving"] == {"properties": body["properties"], "sku": body["sku"]}
        state = "Failed" if failure else "Succeeded" if as_asked else body["state"]
        if state == body["state"]:
            return

        def settle() -> None:
            with self.store.transaction():
                found = self.store.get("deployments", document.name)
                # Whoever changed it meanwhile says what has become of it.
                if found is not None and found.body == body:
                    self.deployments.change(document, state=state)

        await retrying(settle, f"what became of {document.name}")


@contextmanager
def _logged(what: str) -> Iterator[None]:
    """Let one thing fail by itself, and say so in the log."""
    try:
        yield
    except Exception:
        _LOG.exception(what)
