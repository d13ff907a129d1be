"""The blob protocol over HTTP: what azure-storage-blob sends for uploads, downloads, lists and metadata."""

from __future__ import annotations

import asyncio
import errno
import logging
import re
import sqlite3
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote, unquote
from xml.sax.saxutils import escape

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from local.control import blob_words
from local.control.uploads import Uploads
from local.errors import Invalid, NotFound, Refusal, Unsupported
from local.storage.blobs import CHUNK, Blob, Blobs, safe_name
from local.wire.guard import Guard

MAX_LIST = 5000
_RANGE = re.compile(r"bytes=(\d{1,18})-(\d{0,18})")
_VERSION = "2021-06-08"
_LOG = logging.getLogger("local")


class BlobApi:
    """Answers blob calls below /blob/acct/."""

    def __init__(self, blobs: Blobs, guard: Guard) -> None:
        self.blobs = blobs
        self.guard = guard
        self.uploads = Uploads(blobs, guard)

    async def __call__(self, request: Request) -> Response:
        try:
            response = await self._route(request)
        except NotFound:
            response = blob_words.error(404, "BlobNotFound", "The specified blob does not exist.")
        except Refusal as refusal:
            response = blob_words.error(refusal.status, refusal.code, refusal.message)
        except sqlite3.Error as error:
            _LOG.exception("%s of a blob", request.method)
            full = "full" in str(error)
            status, code = (409, "InsufficientStorage") if full else (500, "InternalError")
            response = blob_words.error(status, code, str(error))
        except OSError as error:
            _LOG.exception("%s of a blob", request.method)
            # A 5xx would have the storage library try again for more than a minute: the disk is no fuller then.
            full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
            response = (
                blob_words.error(409, "InsufficientStorage", str(error))
                if full
                else blob_words.error(500, "InternalError", str(error))
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
                return Response(status_code=200, headers={"ETag": '"0x1"', "Last-Modified": blob_words.http_date(None)})
            raise Unsupported(f"{request.method} of a blob container")
        safe_name(name)
        match request.method, comp:
            case ("HEAD", "" | "metadata"):
                blob = await asyncio.to_thread(self._head, container, name)
                return Response(headers=blob_words.headers(blob) | {"Content-Length": str(blob.size)})
            case ("GET", ""):
                return self._read(await asyncio.to_thread(self.blobs.whole, container, name), request.headers)
            case ("PUT", ""):
                return await self.uploads.put(request, container, name)
            case ("PUT", "metadata"):
                metadata = blob_words.metadata(request.headers)
                blob = await asyncio.to_thread(self.blobs.set_metadata, container, name, metadata)
                return Response(headers=blob_words.stamp(blob))
            case ("PUT", "block"):
                return await self.uploads.put_block(request, container, name)
            case ("PUT", "blocklist"):
                return await self.uploads.put_blocklist(request, container, name)
            case ("DELETE", ""):
                await asyncio.to_thread(self.blobs.delete, container, name)
                return Response(status_code=202)
        raise Unsupported(f"blob {request.method} {comp}".strip())

    def _head(self, container: str, name: str) -> Blob:
        """Return a blob as HEAD tells of it: without metadata if it, or what was uploaded with it, was damaged since.

        The SDK uploads to LocalUpload/HASH, and uploads again unless it finds metadata there.
        """
        blob = self.blobs.get(container, name)
        if blob.metadata and self.blobs.is_damaged(container, "/".join(name.split("/")[:2])):
            return replace(blob, metadata={})
        return blob

    def _read(self, blob: Blob, headers: Mapping[str, str]) -> Response:
        start, end = 0, blob.size - 1
        wanted = headers.get("x-ms-range") or headers.get("range")
        if wanted:
            match = _RANGE.fullmatch(wanted)
            if match is None:
                raise Invalid(f"The range {wanted!r} is not of the form bytes=FIRST-LAST", code="InvalidRange")
            start = int(match[1])
            if start >= blob.size:
                return blob_words.error(
                    416, "InvalidRange", "The range is not satisfiable for the size of the resource."
                )
            end = min(int(match[2]) if match[2] else end, end)
            if end < start:
                raise Invalid(f"The range {wanted!r} ends before it begins", code="InvalidRange")
        answer = blob_words.headers(blob) | {"Content-Length": str(end - start + 1)}
        if wanted:
            answer["Content-Range"] = f"bytes {start}-{end}/{blob.size}"
        return StreamingResponse(_chunks(blob.path, start, end + 1), 206 if wanted else 200, answer)

    def _list(self, container: str, query: Mapping[str, str]) -> Response:
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        wanted = query.get("maxresults") or str(MAX_LIST)
        if not wanted.isdecimal() or len(wanted) > 9 or int(wanted) == 0:
            raise Invalid(f"maxresults {wanted!r} is no number from 1 on", code="OutOfRangeQueryParameterValue")
        limit = min(int(wanted), MAX_LIST)
        found = self.blobs.find(container, prefix, unquote(query.get("marker", "")), limit)
        entries: dict[str, str] = {}
        for blob in found:
            rest = blob.name[len(prefix) :]
            if delimiter and delimiter in rest:
                head = prefix + rest.split(delimiter)[0] + delimiter
                entries[head] = f"<BlobPrefix>{blob_words.named(head)}</BlobPrefix>"
            else:
                entries[blob.name] = blob_words.entry(blob)
        # What comes next is asked for by a word of ours: any name can be said in it.
        marker = quote(found[-1].name, safe="") if len(found) == limit else ""
        body = (
            f'<?xml version="1.0" encoding="utf-8"?><EnumerationResults ContainerName="{escape(container)}">'
            f"{blob_words.named(prefix, 'Prefix')}<Blobs>{''.join(entries.values())}</Blobs>"
            f"<NextMarker>{marker}</NextMarker></EnumerationResults>"
        )
        return Response(body, media_type="application/xml")


async def _chunks(path: Path, start: int, end: int) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        file.seek(start)
        left = end - start
        while left > 0 and (chunk := await asyncio.to_thread(file.read, min(CHUNK, left))):
            left -= len(chunk)
            yield chunk
