"""The application of the https port: Azure Resource Manager, run history and blobs."""

from __future__ import annotations

import json
import logging
import sqlite3
from asyncio import to_thread
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from local.control.api import Api
from local.control.artifacts_http import PATH as ARTIFACTS
from local.control.artifacts_http import ArtifactApi
from local.control.blob_http import BlobApi
from local.control.exchange_log import ExchangeLog
from local.control.faults import Severed
from local.control.state import State
from local.errors import Invalid, LocalError, Refusal
from local.training.tracking import error_json
from local.wire.call import Call, Reply, received
from local.wire.guard import bearer

MAX_JSON = 4 << 20
_METHODS = ["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE"]
_VERSION = "api-version"
_ADDRESSES = frozenset({"Azure-AsyncOperation", "Location"})
_LOG = logging.getLogger("local")


def control_app(state: State) -> Starlette:
    """Return the application of the https port: Azure Resource Manager, run history and blobs."""
    api = Api(state)
    blob_api = BlobApi(state.blobs, state.guard)
    artifact_api = ArtifactApi(state.blobs, state.tracking)
    exchange_log = ExchangeLog(state.folder)

    async def blob(request: Request) -> Response:
        try:
            state.guard.check_origin(request.headers)
        except Refusal as refusal:
            return JSONResponse(refusal.to_json(), refusal.status)
        return await blob_api(request)

    async def control(request: Request) -> Response:
        response = await answered(request)
        return response if isinstance(response, _Broken) else exchange_log.record(request, response)

    async def answered(request: Request) -> Response:
        try:
            state.guard.check_origin(request.headers)
            caller = ""
            # The SDK asks for the addresses of the services without a token; they are no secret.
            if _is_mlflow(request):
                caller = await to_thread(state.tracking.caller, bearer(request.headers))
            elif request.url.path != "/discovery":
                state.guard.check_token(request.headers)
            call = replace(await _call(request), caller=caller)
            if request.url.path.startswith("/local/"):
                reply = await api.answer(call)
            else:
                reply = await state.faults.around(call, api.answer)
        except Severed:
            return _Broken()
        except Refusal as refusal:
            return _refused(request, refusal)
        except (LocalError, OSError, sqlite3.Error) as error:
            _LOG.exception("%s %s", request.method, request.url.path)
            return _refused(request, Refusal(str(error)))
        except Exception:
            # A defect of ours: told like any other error, with the rest in the log.
            _LOG.exception("%s %s", request.method, request.url.path)
            return _refused(request, Refusal("The local workspace failed at this call; its log says how."))
        return _response(reply, request.query_params.get(_VERSION))

    async def artifact(request: Request) -> Response:
        try:
            state.guard.check_origin(request.headers)
            return await artifact_api(request)
        except Refusal as refusal:
            return _refused(request, refusal)
        except (OSError, sqlite3.Error) as error:
            _LOG.exception("%s of an artifact", request.method)
            return _refused(request, Refusal(str(error)))

    artifacts = f"{state.place.mlflow_path}{ARTIFACTS}"
    return Starlette(
        routes=[
            Route(artifacts, artifact, methods=_METHODS),
            Route(f"{artifacts}/{{path:path}}", artifact, methods=_METHODS),
            Route("/blob/acct/{path:path}", blob, methods=_METHODS),
            Route("/{path:path}", control, methods=_METHODS),
        ]
    )


class _Json(JSONResponse):
    """JSON with its characters named, as the service does."""

    media_type = "application/json; charset=utf-8"


class _Broken(Response):
    """An answer that ends before it is whole, so that the client sees its connection break."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})


async def _call(request: Request) -> Call:
    body: Any = None
    if came := await received(request.stream(), MAX_JSON, "A control-plane request"):
        try:
            body = json.loads(came)
        except (ValueError, RecursionError) as error:
            raise Invalid(f"The request body is not JSON: {error}", code="InvalidRequestContent") from error
    return Call(request.method, request.url.path, {}, dict(request.query_params), body)


def _is_mlflow(request: Request) -> bool:
    return request.url.path.startswith("/mlflow/")


def _refused(request: Request, refusal: Refusal) -> Response:
    """Answer an error, in the shape of those who ask."""
    if _is_mlflow(request):
        return _Json(error_json(refusal), refusal.status)
    return _Json(refusal.to_json(), refusal.status, {"x-ms-response-type": "error"})


def _response(reply: Reply, version: str | None) -> Response:
    headers = dict(reply.headers)
    for name in _ADDRESSES & headers.keys() if version else ():
        # What comes next is asked in the version that this was asked in.
        headers[name] = f"{headers[name]}?{urlencode({_VERSION: version})}"
    if reply.body is None:
        return Response(status_code=reply.status, headers=headers)
    return _Json(reply.body, reply.status, headers)
