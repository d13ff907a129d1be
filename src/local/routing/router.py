"""The scoring front: authenticates, splits, mirrors, forwards and counts.

An ASGI application for `/{endpoint}/score` (and `/{endpoint}/`, `/{endpoint}/swagger.json`), which stands where
the front of a managed endpoint stands on Azure. A change of route takes effect between two requests: each
request reads the table once.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable

from starlette.types import Receive, Scope, Send

from local.routing.backend import Backend
from local.routing.calls import CLIENT_REQUEST_ID, PIN, Call
from local.routing.forward import ClientLeft, Patience, forward, pause
from local.routing.replies import PAYLOAD_LIMIT, Reply, refusal, too_large
from local.routing.routes import EndpointRoute, Fault, Route
from local.routing.telemetry import Telemetry

__all__ = ["EndpointRoute", "Router"]

_METHODS = {"score": ("POST", "GET"), "": ("GET",), "swagger.json": ("GET",)}
_MIRRORED_AT_ONCE = 64


class Router:
    """The ASGI application and its table of endpoints, deployments and faults."""

    def __init__(self, telemetry: Telemetry | None = None, draw: Callable[[], float] | None = None) -> None:
        """`draw` gives a number from [0, 1) for each choice; by default a generator seeded by the system."""
        self.telemetry = telemetry or Telemetry()
        self._draw = draw or random.Random().random
        self._routes: dict[str, Route] = {}
        self._backends: dict[tuple[str, str], Backend] = {}
        self._faults: dict[tuple[str, str], Fault] = {}
        self._mirrored: set[asyncio.Task[None]] = set()

    def set_endpoint(self, route: EndpointRoute) -> None:
        """Add or replace an endpoint. Requests that have begun go on as they were."""
        self._routes[route.name] = Route(route)

    def remove_endpoint(self, name: str) -> None:
        """Forget an endpoint; its deployments are removed by the supervisor."""
        self._routes.pop(name, None)

    def set_backend(self, endpoint: str, deployment: str, backend: Backend | None) -> Backend | None:
        """Send the deployment's requests to `backend` from now on (None: nowhere); give the one before."""
        before = self._backends.pop((endpoint, deployment), None)
        if backend is not None:
            self._backends[endpoint, deployment] = backend
        return before

    def set_fault(
        self, endpoint: str, deployment: str, share: float, status: int | None = None, delay_ms: float = 0
    ) -> None:
        """Make a share (0 to 1) of a deployment's requests late, or fail as if its container said `status`.

        A delay counts towards the request timeout; with no status the request is then forwarded.
        """
        self._faults[endpoint, deployment] = Fault(share, status, delay_ms)

    def clear_faults(self) -> None:
        """End all faults."""
        self._faults.clear()

    async def close(self) -> None:
        """Give up the mirrored requests that are still on their way."""
        for task in tuple(self._mirrored):
            task.cancel()
        await asyncio.gather(*self._mirrored, return_exceptions=True)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            raise RuntimeError(f"the router serves http, not {scope['type']}")
        started = time.perf_counter()
        call = Call.of(scope)
        try:
            reply, deployment, session = await self._answer(call, receive)
        except ClientLeft:
            return
        if call.endpoint in self._routes:
            seconds = time.perf_counter() - started
            self.telemetry.record(call.endpoint, deployment, reply.status, reply.model_status, seconds)
        headers = reply.headers
        headers.append((b"content-length", str(len(reply.body)).encode()))
        headers.append((b"x-request-id", call.request_id))
        headers.append((b"x-ms-request-id", call.client_request_id or call.request_id))
        if call.client_request_id:
            headers.append((CLIENT_REQUEST_ID, call.client_request_id))
        if deployment:
            headers.append((PIN, deployment.encode()))
            headers.append((b"azureml-model-session", session.encode()))
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": reply.body})

    async def _answer(self, call: Call, receive: Receive) -> tuple[Reply, str, str]:
        """Give the reply, and the deployment and session that it came from ("" if none)."""
        refused = self._refuse(call)
        if refused is not None:
            return refused, "", ""
        body = await call.read_body(receive)
        if isinstance(body, Reply):
            return body, "", ""
        # Looked up after the body has come, so that a slow sender is routed by the present table.
        route = self._routes.get(call.endpoint)
        if route is None:
            return _no_endpoint(call.endpoint), "", ""
        name = call.pin if call.pin is not None else route.traffic.choose(self._draw())
        backend = self._backends.get((route.name, name)) if name is not None else None
        if name is None or backend is None:
            return _no_deployment(call), "", ""
        request = call.request(body)
        if call.pin is None and route.mirror is not None and self._draw() < route.mirror[1]:
            self._mirror(route.name, route.mirror[0], request)

        async def left() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass

        return await self._score(route.name, name, backend, request, left), name, backend.session

    def _refuse(self, call: Call) -> Reply | None:
        methods = _METHODS.get(call.operation)
        route = self._routes.get(call.endpoint)
        if methods is None or route is None:
            return _no_endpoint(call.endpoint)
        if not route.admits(call.authorization):
            if not call.authorization.lower().startswith(b"bearer "):
                return refusal(401, "key_auth_bad_header", "The Authorization header is not 'Bearer <key>'.")
            return refusal(401, "key_auth_access_denied", "The key or token is not valid for this endpoint.")
        if call.method not in methods:
            reply = refusal(405, "MethodNotAllowed", f"{call.method} is not allowed here.")
            reply.headers.append((b"allow", ", ".join(methods).encode()))
            return reply
        return too_large() if call.length > PAYLOAD_LIMIT else None

    async def _score(
        self,
        endpoint: str,
        name: str,
        backend: Backend,
        request: bytes,
        left: Callable[[], Awaitable[None]] | None = None,
    ) -> Reply:
        timeout = backend.limits.request_timeout_ms / 1000
        patience = Patience(asyncio.get_running_loop().time() + timeout, left)
        fault = self._faults.get((endpoint, name))
        if fault is not None and self._draw() < fault.share:
            in_time = await pause(fault.delay_ms / 1000, patience)
            if in_time and fault.status is not None and fault.status != 200:
                message = f"A fault that was set on deployment '{name}'."
                return refusal(424, "ModelError", message, reason="model_error", model_status=fault.status)
        return await forward(backend, request, patience)

    def _mirror(self, endpoint: str, name: str, request: bytes) -> None:
        backend = self._backends.get((endpoint, name))
        if backend is not None and len(self._mirrored) < _MIRRORED_AT_ONCE:
            work = self._score_mirrored(endpoint, name, backend, request)
            task = asyncio.get_running_loop().create_task(work)
            self._mirrored.add(task)
            task.add_done_callback(self._mirrored.discard)

    async def _score_mirrored(self, endpoint: str, name: str, backend: Backend, request: bytes) -> None:
        started = time.perf_counter()
        reply = await self._score(endpoint, name, backend, request)
        seconds = time.perf_counter() - started
        self.telemetry.record(endpoint, name, reply.status, reply.model_status, seconds)


def _no_endpoint(name: str) -> Reply:
    return refusal(404, "EndpointNotFound", f"No endpoint serves this address (endpoint '{name[:64]}').")


def _no_deployment(call: Call) -> Reply:
    if call.pin is not None:
        message = f"Endpoint '{call.endpoint}' has no deployment '{call.pin[:64]}' to serve this request."
    else:
        message = f"Endpoint '{call.endpoint}' has no valid deployment with positive weight."
    return refusal(404, "DeploymentNotFound", message)
