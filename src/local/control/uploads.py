"""Uploads of blobs: whole, or in blocks that a list then joins. The bytes are stored before the row that names them."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import shutil
from pathlib import Path
from xml.etree import ElementTree

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response

from local.control import blob_words
from local.errors import Conflict, Invalid, NotFound, TooLarge, Unsupported
from local.storage.blobs import CHUNK, Blob, Blobs
from local.wire.call import received
from local.wire.guard import Guard

MAX_BODY = 256 << 20
# Room for the 50,000 blocks that a blob may have.
MAX_BLOCK_LIST = 8 << 20
# Lists that may be sent once more: those of the blobs that were joined last.
MOST_LISTS = 1000
_LISTS = "blocklists"


class Uploads:
    """Answers the calls that write the bytes of a blob."""

    def __init__(self, blobs: Blobs, guard: Guard) -> None:
        self.blobs = blobs
        self.guard = guard

    async def put(self, request: Request, container: str, name: str) -> Response:
        if request.headers.get("x-ms-blob-type") != "BlockBlob":
            raise Unsupported("blobs other than block blobs")
        if request.headers.get("if-none-match") == "*" and await asyncio.to_thread(self._exists, container, name):
            return blob_words.error(409, "BlobAlreadyExists", "The specified blob already exists.")
        with self.blobs.arriving() as path:
            digest = await receive(request, path)
            blob = await asyncio.to_thread(
                lambda: self.blobs.commit(
                    container,
                    name,
                    path,
                    md5=digest,
                    content_type=request.headers.get("x-ms-blob-content-type") or "application/octet-stream",
                    metadata=blob_words.metadata(request.headers),
                )
            )
        return Response(status_code=201, headers=blob_words.stamp(blob) | {"Content-MD5": digest})

    async def put_block(self, request: Request, container: str, name: str) -> Response:
        block = self._block(container, name, request.query_params.get("blockid", ""))
        block.parent.mkdir(parents=True, exist_ok=True)
        with self.blobs.arriving() as path:
            digest = await receive(request, path)
            # Whole, or as it was: a list that comes meanwhile finds no half of it.
            path.replace(block)
        return Response(status_code=201, headers={"Content-MD5": digest})

    async def put_blocklist(self, request: Request, container: str, name: str) -> Response:
        body = await received(request.stream(), MAX_BLOCK_LIST, "A block list")
        # A zero byte is another encoding's, in which the words would look otherwise.
        if b"<!DOCTYPE" in body or b"<!ENTITY" in body or b"\0" in body:
            raise Invalid("The block list is not usable", code="InvalidXmlDocument")
        try:
            # Entities are refused above, so nothing here can expand.
            blocks = [element.text or "" for element in ElementTree.fromstring(body)]
        except ElementTree.ParseError as error:
            raise Invalid(f"The block list is not XML: {error}", code="InvalidXmlDocument") from error
        paths = [self._block(container, name, block) for block in blocks]
        if missing := [path for path in paths if not path.exists()]:
            if blob := await asyncio.to_thread(self._committed, container, name, blocks):
                return Response(status_code=201, headers=blob_words.stamp(blob))
            raise Invalid(f"{len(missing)} blocks were not uploaded", code="InvalidBlockList")
        blob = await asyncio.to_thread(self._join, container, name, blocks, paths, request.headers)
        return Response(status_code=201, headers=blob_words.stamp(blob))

    def _join(self, container: str, name: str, blocks: list[str], paths: list[Path], headers: Headers) -> Blob:
        with self.blobs.arriving() as target:
            with target.open("wb") as writer:
                for path in paths:
                    with path.open("rb") as reader:
                        shutil.copyfileobj(reader, writer, CHUNK)
                writer.flush()
                os.fsync(writer.fileno())
            kind = headers.get("x-ms-blob-content-type") or "application/octet-stream"
            blob = self.blobs.commit(container, name, target, content_type=kind, metadata=blob_words.metadata(headers))
        store = self.blobs.store
        store.put(_LISTS, f"{container}/{name}", {"etag": blob.etag, "list": _digest(blocks)})
        store.prune(_LISTS, "", MOST_LISTS)
        # Not before: until the blob stands, the client may ask once more.
        for path in set(paths):
            path.unlink(missing_ok=True)
        return blob

    def _committed(self, container: str, name: str, blocks: list[str]) -> Blob | None:
        """Return the blob if it was joined from exactly these blocks: the call repeats one whose answer was lost."""
        known = self.blobs.store.get(_LISTS, f"{container}/{name}")
        if known is None or known.body["list"] != _digest(blocks) or not self._exists(container, name):
            return None
        blob = self.blobs.get(container, name)
        return blob if blob.etag == known.body["etag"] else None

    def _block(self, container: str, name: str, block: str) -> Path:
        key = base64.urlsafe_b64encode(self.guard.derive("block", container, name, block).encode()).decode()
        return self.blobs.staging / key[:48]

    def _exists(self, container: str, name: str) -> bool:
        """Say whether the blob exists; a damaged one counts as absent, so that it can be written anew."""
        try:
            self.blobs.whole(container, name)
        except (NotFound, Conflict):
            return False
        return True


def _digest(blocks: list[str]) -> str:
    return hashlib.sha256("\n".join(blocks).encode()).hexdigest()


async def receive(request: Request, path: Path) -> str:
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
