"""The studio's ASGI application: the page and its files for anybody on this machine, all else for signed-in browsers.

The page holds nothing of the workspace. It signs in with the secret of a link, and from then on every call must show
both halves of a session (`local/wire/sessions.py`) and come from this very origin.
"""

from __future__ import annotations

import json
import logging
import mimetypes
import secrets
import sqlite3
from asyncio import to_thread
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from local.control.api import Api
from local.control.state import State
from local.errors import Forbidden, Invalid, LocalError, Refusal, Unauthorized
from local.studio import trial, views
from local.studio.actions import Actions
from local.studio.stream import Stream
from local.wire.call import Call, Json, Reply, received
from local.wire.guard import Guard
from local.wire.sessions import SESSION_LASTS, Session, Sessions

PAGE = Path(__file__).parent / "page"
KEY = "x-studio-key"
MAX_BODY = 2 << 20
_LOG = logging.getLogger("local")
# Scripts and styles of this origin alone, nothing inline, no string that becomes markup or code.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cache-control": "no-store",
}

Handler = Callable[[Request], Awaitable[Response]]


class Studio:
    """The application and what it keeps running."""

    def __init__(self, state: State, sessions: Sessions, hosts: frozenset[str]) -> None:
        """Take the sessions that may look, and the Host values (with port) that are ours."""
        self._state = state
        self._sessions = sessions
        self._hosts = hosts
        # The origin rules of the control plane, for this port alone: another port of 127.0.0.1 is another origin.
        # It knows no token: whoever looks has a session.
        self._guard = Guard(secrets.token_hex(), hosts)
        # A browser sends a cookie to all ports of 127.0.0.1: with one name, two workspaces would sign each other out.
        self._cookie = f"studio-{min(hosts).rpartition(':')[2]}"
        self._api = Api(state)
        self._actions = Actions(state, self._arm)
        self.stream = Stream(state)
        self.app = Starlette(
            routes=[
                Route("/", self._page, methods=["GET"]),
                Route("/page/{path:path}", self._page, methods=["GET"]),
                Route("/api/session", self._guarded(self._sign_in, signed_in=False), methods=["POST"]),
                Route("/api/session", self._guarded(self._sign_out), methods=["DELETE"]),
                Route("/api/events", self._guarded(self._events), methods=["GET"]),
                Route("/api/jobs/{name}/log", self._guarded(self._log), methods=["GET"]),
                Route("/api/jobs/{name}/plots", self._guarded(self._plots), methods=["GET"]),
                Route("/api/jobs/{name}/plots/{plot:path}", self._guarded(self._plot), methods=["GET"]),
                Route("/api/endpoints/{name}/sample", self._guarded(self._sample), methods=["GET"]),
                Route("/api/endpoints/{name}/logs/{slot}", self._guarded(self._container), methods=["GET"]),
                Route("/api/trial", self._guarded(self._trial), methods=["POST"]),
                Route("/api/plans", self._guarded(self._plan), methods=["POST"]),
                Route("/api/plans/{secret}", self._guarded(self._confirm), methods=["POST"]),
            ]
        )

    async def _arm(self, call: Call) -> Reply:
        return await self._state.faults.around(call, self._api.answer)

    def _guarded(self, handler: Handler, *, signed_in: bool = True) -> Handler:
        """Let in only what comes from the page itself, of a browser that is signed in; answer refusals as JSON."""

        async def endpoint(request: Request) -> Response:
            try:
                self._guard.check_origin(request.headers)
                if request.method != "GET" and request.headers.get("origin") is None:
                    raise Forbidden("The studio acts for its own page only: the call has no Origin")
                if signed_in:
                    self._session(request)
                response = await handler(request)
            except Refusal as refusal:
                response = JSONResponse({"error": str(refusal)}, refusal.status)
            except (LocalError, OSError, sqlite3.Error) as error:
                _LOG.exception("%s %s", request.method, request.url.path)
                response = JSONResponse({"error": str(error)}, 500)
            response.headers.update(HEADERS)
            return response

        return endpoint

    def _session(self, request: Request) -> Session:
        session = self._sessions.find(request.cookies.get(self._cookie, ""), request.headers.get(KEY, ""))
        if session is None:
            raise Unauthorized("This browser is not signed in: inv studio opens a link that does it")
        return session

    async def _page(self, request: Request) -> Response:
        name = request.path_params.get("path") or "index.html"
        file = (PAGE / name).resolve()
        known = request.headers.get("host", "").lower() in self._hosts
        if not known or not file.is_relative_to(PAGE.resolve()) or not await to_thread(file.is_file):
            return Response("There is nothing here.\n", 403 if not known else 404, HEADERS, "text/plain")
        kind = mimetypes.guess_type(file.name)[0] or "text/plain"
        return FileResponse(file, headers=HEADERS, media_type=kind)

    async def _sign_in(self, request: Request) -> Response:
        session = self._sessions.open(str((await _json(request)).get("link", "")))
        if session is None:
            raise Unauthorized("This link was used, or is too old: inv studio makes a new one")
        response = JSONResponse({"key": session.key})
        seconds = int(SESSION_LASTS.total_seconds())
        response.set_cookie(
            self._cookie, session.cookie, max_age=seconds, httponly=True, samesite="strict", path="/api"
        )
        return response

    async def _sign_out(self, request: Request) -> Response:
        self._sessions.close(self._session(request))
        response = JSONResponse({})
        response.delete_cookie(self._cookie, path="/api", httponly=True, samesite="strict")
        return response

    async def _events(self, request: Request) -> Response:
        if self.stream.is_full:
            raise Invalid("Too many pages are open: close one")
        return StreamingResponse(self.stream.events(), media_type="text/event-stream")

    async def _log(self, request: Request) -> Response:
        after = request.query_params.get("after", "0")
        if not after.isdecimal() or len(after) > 15:
            raise Invalid("after must be a number of bytes")
        return JSONResponse(await to_thread(views.job_log, self._state, request.path_params["name"], int(after)))

    async def _plots(self, request: Request) -> Response:
        return JSONResponse(await to_thread(views.job_plots, self._state, request.path_params["name"]))

    async def _plot(self, request: Request) -> Response:
        given = request.path_params
        blob = await to_thread(views.job_plot, self._state, given["name"], given["plot"])
        return FileResponse(blob.path, media_type="image/png")

    async def _sample(self, request: Request) -> Response:
        self._state.endpoints.get(request.path_params["name"])
        return JSONResponse({"body": await to_thread(trial.sample, self._state, request.path_params["name"])})

    async def _container(self, request: Request) -> Response:
        given = request.path_params
        self._state.deployments.get(given["name"], given["slot"])
        read = self._state.supervisor.logs
        return JSONResponse({"text": await to_thread(read, given["name"], given["slot"], "inference-server", 300)})

    async def _trial(self, request: Request) -> Response:
        return JSONResponse(await trial.send(self._state, await _json(request)))

    async def _plan(self, request: Request) -> Response:
        return JSONResponse(await to_thread(self._actions.plan, await _json(request)))

    async def _confirm(self, request: Request) -> Response:
        return JSONResponse(await self._actions.confirm(request.path_params["secret"]))


async def _json(request: Request) -> Json:
    """Return the JSON body. Its type must be declared as JSON, which a form on another site's page cannot do."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise Invalid("The body must be application/json")
    try:
        found: Any = json.loads(await received(request.stream(), MAX_BODY, "A call of the studio"))
    except (ValueError, RecursionError) as error:
        raise Invalid(f"The body is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise Invalid("The body must be a JSON object")
    return found
