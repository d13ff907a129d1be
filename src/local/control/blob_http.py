"""The blob protocol over HTTP: what azure-storage-blob sends for uploads, downloads, lists and metadata."""

from __future__ import annotations

import asyncio
import base64
import errno
import hashlib
import logging
import os
import re
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from email.utils import format_datetime
from pathlib import Path
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from local.errors import Invalid, NotFound, Refusal, TooLarge, Unsupported
from local.storage.blobs import CHUNK, Blob, Blobs, safe_name
from local.wire.guard import Guard

MAX_BODY = 256 << 20
MAX_LIST = 5000
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")
_VERSION = "2021-06-08"
_LOG = logging.getLogger("local")


class BlobApi:
    """Answers blob calls below /blob/acct/."""

    def __init__(self, blobs: Blobs, guard: Guard) -> None:
        self.blobs = blobs
        self.guard = guard

    async def __call__(self, request: Request) -> Response:
        try:
            response = await self._route(request)
        except NotFound:
            response = _error(404, "BlobNotFound", "The specified blob does not exist.")
        except Refusal as refusal:
            response = _error(refusal.status, refusal.code, refusal.message)
        except OSError as error:
            _LOG.exception("%s of a blob", request.method)
            # A 5xx would have the storage library try again for more than a minute: the disk is no fuller then.
            full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
            response = (
                _error(409, "InsufficientStorage", str(error)) if full else _error(500, "InternalError", str(error))
            )
        response.headers["x-ms-version"] = _VERSION
        return response

    async def _route(self, request: Request) -> Response:
        parts = [part for part in request.path_params["path"].split("/") if part]
        if parts and parts[0].startswith(".blob."):
            parts = parts[1:]
        if not parts:
            raise Unsupported("account-level blob operations")
        container, name = parts[0], "/".join(parts[1:])
        query = request.query_params
        self.guard.check_sas(request.method, container, name, query)
        comp = query.get("comp", "")
        if not name:
            if request.method == "GET" and comp == "list":
                return await asyncio.to_thread(self._list, container, query)
            if request.method in ("GET", "HEAD"):
                return Response(status_code=200, headers={"ETag": '"0x1"', "Last-Modified": _http_date(None)})
            raise Unsupported(f"{request.method} of a blob container")
        safe_name(name)
        match request.method, comp:
            case ("HEAD", "" | "metadata"):
                blob = await asyncio.to_thread(self.blobs.get, container, name)
                return Response(headers=_headers(blob) | {"Content-Length": str(blob.size)})
            case ("GET", ""):
                return self._read(await asyncio.to_thread(self.blobs.get, container, name), request.headers)
            case ("PUT", ""):
                return await self._put(request, container, name)
            case ("PUT", "metadata"):
                metadata = _metadata(request.headers)
                blob = await asyncio.to_thread(self.blobs.set_metadata, container, name, metadata)
                return Response(headers=_stamp(blob))
            case ("PUT", "block"):
                return await self._put_block(request, container, name)
            case ("PUT", "blocklist"):
                return await self._put_blocklist(request, container, name)
            case ("DELETE", ""):
                await asyncio.to_thread(self.blobs.delete, container, name)
                return Response(status_code=202)
        raise Unsupported(f"blob {request.method} {comp}".strip())

    async def _put(self, request: Request, container: str, name: str) -> Response:
        if request.headers.get("x-ms-blob-type") != "BlockBlob":
            raise Unsupported("blobs other than block blobs")
        if request.headers.get("if-none-match") == "*" and await asyncio.to_thread(self._exists, container, name):
            return _error(409, "BlobAlreadyExists", "The specified blob already exists.")
        path = self.blobs.new_file()
        digest = await _receive(request, path)
        blob = await asyncio.to_thread(
            lambda: self.blobs.commit(
                container,
                name,
                path,
                md5=digest,
                content_type=request.headers.get("x-ms-blob-content-type") or "application/octet-stream",
                metadata=_metadata(request.headers),
            )
        )
        return Response(status_code=201, headers=_stamp(blob) | {"Content-MD5": digest})

    async def _put_block(self, request: Request, container: str, name: str) -> Response:
        path = self._block(container, name, request.query_params.get("blockid", ""))
        path.parent.mkdir(parents=True, exist_ok=True)
        digest = await _receive(request, path)
        return Response(status_code=201, headers={"Content-MD5": digest})

    async def _put_blocklist(self, request: Request, container: str, name: str) -> Response:
        body = await request.body()
        if len(body) > 8 << 20 or b"<!DOCTYPE" in body or b"<!ENTITY" in body:
            raise Invalid("The block list is not usable", code="InvalidXmlDocument")
        try:
            # Entities are refused above, so nothing here can expand.
            blocks = [element.text or "" for element in ElementTree.fromstring(body)]
        except ElementTree.ParseError as error:
            raise Invalid(f"The block list is not XML: {error}", code="InvalidXmlDocument") from error
        paths = [self._block(container, name, block) for block in blocks]
        if missing := [path for path in paths if not path.exists()]:
            raise Invalid(f"{len(missing)} blocks were not uploaded", code="InvalidBlockList")
        target = self.blobs.new_file()
        headers = request.headers

        def join() -> Blob:
            with target.open("wb") as writer:
                for path in paths:
                    with path.open("rb") as reader:
                        while chunk := reader.read(CHUNK):
                            writer.write(chunk)
                writer.flush()
                os.fsync(writer.fileno())
            for path in set(paths):
                path.unlink(missing_ok=True)
            kind = headers.get("x-ms-blob-content-type") or "application/octet-stream"
            return self.blobs.commit(container, name, target, content_type=kind, metadata=_metadata(headers))

        blob = await asyncio.to_thread(join)
        return Response(status_code=201, headers=_stamp(blob))

    def _block(self, container: str, name: str, block: str) -> Path:
        key = base64.urlsafe_b64encode(self.guard.derive("block", container, name, block).encode()).decode()
        return self.blobs.staging / key[:48]

    def _exists(self, container: str, name: str) -> bool:
        try:
            self.blobs.get(container, name)
        except NotFound:
            return False
        return True

    def _read(self, blob: Blob, headers: Mapping[str, str]) -> Response:
        start, end = 0, blob.size - 1
        wanted = headers.get("x-ms-range") or headers.get("range")
        if wanted:
            match = _RANGE.fullmatch(wanted)
            if match is None:
                raise Invalid(f"The range {wanted!r} is not of the form bytes=FIRST-LAST", code="InvalidRange")
            start = int(match[1])
            if start >= blob.size:
                return _error(416, "InvalidRange", "The range is not satisfiable for the size of the resource.")
            end = min(int(match[2]) if match[2] else end, end)
        answer = _headers(blob) | {"Content-Length": str(end - start + 1)}
        if wanted:
            answer["Content-Range"] = f"bytes {start}-{end}/{blob.size}"
        return StreamingResponse(_chunks(blob.path, start, end + 1), 206 if wanted else 200, answer)

    def _list(self, container: str, query: Mapping[str, str]) -> Response:
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        limit = min(int(query.get("maxresults") or MAX_LIST), MAX_LIST)
        found = self.blobs.find(container, prefix, query.get("marker", ""), limit)
        entries: dict[str, str] = {}
        for blob in found:
            rest = blob.name[len(prefix) :]
            if delimiter and delimiter in rest:
                head = prefix + rest.split(delimiter)[0] + delimiter
                entries[head] = f"<BlobPrefix><Name>{escape(head)}</Name></BlobPrefix>"
            else:
                entries[blob.name] = _entry(blob)
        marker = escape(found[-1].name) if len(found) == limit else ""
        body = (
            f'<?xml version="1.0" encoding="utf-8"?><EnumerationResults ContainerName="{escape(container)}">'
            f"<Prefix>{escape(prefix)}</Prefix><Blobs>{''.join(entries.values())}</Blobs>"
            f"<NextMarker>{marker}</NextMarker></EnumerationResults>"
        )
        return Response(body, media_type="application/xml")


def _error(status: int, code: str, message: str) -> Response:
    inner = f"<Code>{code}</Code><Message>{escape(message)}</Message>"
    body = f'<?xml version="1.0" encoding="utf-8"?><Error>{inner}</Error>'
    return Response(body, status, {"x-ms-error-code": code}, media_type="application/xml")


def _http_date(stamp: str | None) -> str:
    moment = datetime.fromisoformat(stamp) if stamp else datetime.fromisoformat("2024-01-01T00:00:00+00:00")
    return format_datetime(moment, usegmt=True)


def _stamp(blob: Blob) -> dict[str, str]:
    return {"ETag": blob.etag, "Last-Modified": _http_date(blob.modified), "x-ms-request-server-encrypted": "false"}


def _headers(blob: Blob) -> dict[str, str]:
    headers = _stamp(blob) | {
        "Content-Type": blob.content_type,
        "Accept-Ranges": "bytes",
        "x-ms-blob-type": "BlockBlob",
        "x-ms-creation-time": _http_date(blob.modified),
    }
    if blob.md5:
        headers["x-ms-blob-content-md5"] = blob.md5
    return headers | {f"x-ms-meta-{key}": value for key, value in blob.metadata.items()}


def _metadata(headers: Mapping[str, str]) -> dict[str, str]:
    found = {key[10:]: value for key, value in headers.items() if key.startswith("x-ms-meta-")}
    if sum(len(key) + len(value) for key, value in found.items()) > 8192:
        raise TooLarge("The metadata of a blob is over 8 KiB", code="MetadataTooLarge")
    return found


def _entry(blob: Blob) -> str:
    metadata = "".join(f"<{key}>{escape(value)}</{key}>" for key, value in blob.metadata.items())
    return (
        f"<Blob><Name>{escape(blob.name)}</Name><Properties><Last-Modified>{_http_date(blob.modified)}</Last-Modified>"
        f"<Etag>{escape(blob.etag)}</Etag><Content-Length>{blob.size}</Content-Length>"
        f"<Content-Type>{escape(blob.content_type)}</Content-Type><BlobType>BlockBlob</BlobType>"
        f"</Properties><Metadata>{metadata}</Metadata></Blob>"
    )


async def _receive(request: Request, path: Path) -> str:
    """Write the body to a new file, durably, and return its MD5 in base64; on any failure leave no file."""
    digest = hashlib.md5(usedforsecurity=False)
    size = 0
    try:
        with path.open("wb") as file:
            async for chunk in request.stream():
                size += len(chunk)
                if size > MAX_BODY:
                    raise TooLarge(f"A blob request carries at most {MAX_BODY >> 20} MiB: upload in blocks")
                digest.update(chunk)
                await asyncio.to_thread(file.write, chunk)
            file.flush()
            await asyncio.to_thread(os.fsync, file.fileno())
        found = base64.b64encode(digest.digest()).decode()
        declared = request.headers.get("content-md5")
        if declared and declared != found:
            raise Invalid("The body does not match its Content-MD5", code="Md5Mismatch")
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return found


async def _chunks(path: Path, start: int, end: int) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        file.seek(start)
        left = end - start
        while left > 0 and (chunk := await asyncio.to_thread(file.read, min(CHUNK, left))):
            left -= len(chunk)
            yield chunk
