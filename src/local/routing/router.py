"""The scoring front: authenticates, splits, mirrors, forwards and counts.

It checks and dispatches what `client_connection` has read of `/{endpoint}/score` (and `/{endpoint}/` and its
`swagger.json`), and stands where the front of a managed endpoint stands on Azure. A change of route takes effect
between two requests: each request reads the table once.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from local.routing.backend import Backend
from local.routing.forward import Forwarding
from local.routing.routes import EndpointRoute, Fault, Route
from local.routing.scoring_reply import PAYLOAD_LIMIT, ScoringReply, refusal, too_large
from local.routing.scoring_request import CLIENT_REQUEST_ID, PIN, ScoringRequest
from local.routing.telemetry import Telemetry

_METHODS = {"score": ("POST", "GET"), "": ("GET",), "swagger.json": ("GET",)}
_MIRRORED_AT_ONCE = 64


class Router:
    """The table of endpoints, deployments and faults, and what becomes of a request by it."""

    def __init__(self, telemetry: Telemetry | None = None, draw: Callable[[], float] | None = None) -> None:
        """`draw` gives a number from [0, 1) for each choice; by default a generator seeded by the system."""
        self.telemetry = telemetry or Telemetry()
        self._draw = draw or random.Random().random
        self._routes: dict[str, Route] = {}
        self._backends: dict[tuple[str, str], Backend] = {}
        self._faults: dict[tuple[str, str], Fault] = {}
        self._mirrored: set[Forwarding] = set()

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
        for copy in self._mirrored:
            copy.cancel()
        self._mirrored.clear()

    def check(self, request: ScoringRequest) -> ScoringReply | None:
        """Return the refusal of a request that its head rules out, or None to let it pass."""
        methods = _METHODS.get(request.operation)
        route = self._routes.get(request.endpoint)
        if methods is None or route is None:
            return _no_endpoint(request.endpoint)
        if not route.admits(request.authorization):
            if not request.authorization.lower().startswith(b"bearer "):
                return refusal(401, "key_auth_bad_header", "The Authorization header is not 'Bearer <key>'.")
            return refusal(401, "key_auth_access_denied", "The key or token is not valid for this endpoint.")
        if request.method not in methods:
            reply = refusal(405, "MethodNotAllowed", f"{request.method} is not allowed here.")
            reply.headers.append((b"allow", ", ".join(methods).encode()))
            return reply
        return too_large() if request.length > PAYLOAD_LIMIT else None

    def dispatch(self, request: ScoringRequest, body: bytes, done: Callable[[ScoringReply], None]) -> Forwarding | None:
        """Dispatch a request that passed `check`; None when no deployment can take it.

        `done` gets the finished reply, perhaps before this returns.
        """
        # Looked up after the body has come, so that a slow sender is routed by the present table.
        route = self._routes.get(request.endpoint)
        if route is None:
            done(self.finish(request, _no_endpoint(request.endpoint)))
            return None
        name = request.pin if request.pin is not None else route.traffic.choose(self._draw())
        backend = self._backends.get((route.name, name)) if name is not None else None
        if name is None or backend is None:
            done(self.finish(request, _no_deployment(request)))
            return None
        raw = request.to_bytes(body)
        if request.pin is None and route.mirror is not None and self._draw() < route.mirror[1]:
            self._mirror(route.name, route.mirror[0], raw)
        session = backend.session

        def on_reply(reply: ScoringReply) -> None:
            done(self.finish(request, reply, name, session))

        forwarding = Forwarding(backend, raw, on_reply)
        self._start(forwarding, route.name, name)
        return forwarding

    def finish(
        self, request: ScoringRequest, reply: ScoringReply, deployment: str = "", session: str = ""
    ) -> ScoringReply:
        """Count a reply, and add the headers that name its request and its deployment."""
        if request.endpoint in self._routes:
            seconds = time.perf_counter() - request.started
            self.telemetry.record(request.endpoint, deployment, reply.status, reply.model_status, seconds)
        headers = reply.headers
        headers.append((b"x-request-id", request.request_id))
        headers.append((b"x-ms-request-id", request.client_request_id or request.request_id))
        if request.client_request_id:
            headers.append((CLIENT_REQUEST_ID, request.client_request_id))
        if deployment:
            headers.append((PIN, deployment.encode()))
            headers.append((b"azureml-model-session", session.encode()))
        return reply

    def _start(self, forwarding: Forwarding, endpoint: str, name: str) -> None:
        fault = self._faults.get((endpoint, name))
        if fault is None or self._draw() >= fault.share:
            forwarding.start()
            return
        instead = None
        if fault.status is not None and fault.status != 200:
            message = f"A fault that was set on deployment '{name}'."
            instead = refusal(424, "ModelError", message, reason="model_error", model_status=fault.status)
        forwarding.start(fault.delay_ms / 1000, instead)

    def _mirror(self, endpoint: str, name: str, raw: bytes) -> None:
        backend = self._backends.get((endpoint, name))
        if backend is None or len(self._mirrored) >= _MIRRORED_AT_ONCE:
            return
        started = time.perf_counter()

        def on_reply(reply: ScoringReply) -> None:
            self._mirrored.discard(copy)
            seconds = time.perf_counter() - started
            self.telemetry.record(endpoint, name, reply.status, reply.model_status, seconds)

        copy = Forwarding(backend, raw, on_reply)
        self._mirrored.add(copy)
        self._start(copy, endpoint, name)


def _no_endpoint(name: str) -> ScoringReply:
    return refusal(404, "EndpointNotFound", f"No endpoint serves this address (endpoint '{name[:64]}').")


def _no_deployment(request: ScoringRequest) -> ScoringReply:
    if request.pin is not None:
        message = f"Endpoint '{request.endpoint}' has no deployment '{request.pin[:64]}' to serve this request."
    else:
        message = f"Endpoint '{request.endpoint}' has no valid deployment with positive weight."
    return refusal(404, "DeploymentNotFound", message)
