"""One blob in the words of the protocol: its headers, its entry in a list, and an error about it. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from email.utils import format_datetime
from urllib.parse import quote
from xml.sax.saxutils import escape

from starlette.responses import Response

from local.errors import Invalid, TooLarge
from local.storage.blobs import Blob
from local.wire.call import BORN

# Of the characters that a name may have, those that XML has not.
_UNSPEAKABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_METADATA_NAME = re.compile("[a-z_][a-z0-9_]*")


def named(name: str, tag: str = "Name") -> str:
    """Return a name as an element; one that XML cannot say is encoded, and says so, as the service does."""
    if _UNSPEAKABLE.search(name):
        return f'<{tag} Encoded="true">{quote(name)}</{tag}>'
    return f"<{tag}>{escape(name)}</{tag}>"


def error(status: int, code: str, message: str) -> Response:
    inner = f"<Code>{code}</Code><Message>{escape(message)}</Message>"
    body = f'<?xml version="1.0" encoding="utf-8"?><Error>{inner}</Error>'
    return Response(body, status, {"x-ms-error-code": code}, media_type="application/xml")


def http_date(stamp: str | None) -> str:
    moment = datetime.fromisoformat(stamp or BORN)
    return format_datetime(moment, usegmt=True)


def stamp(blob: Blob) -> dict[str, str]:
    return {"ETag": blob.etag, "Last-Modified": http_date(blob.modified), "x-ms-request-server-encrypted": "false"}


def headers(blob: Blob) -> dict[str, str]:
    found = stamp(blob) | {
        "Content-Type": blob.content_type,
        "Accept-Ranges": "bytes",
        "x-ms-blob-type": "BlockBlob",
        "x-ms-creation-time": http_date(blob.modified),
    }
    if blob.md5:
        found["x-ms-blob-content-md5"] = blob.md5
    return found | {f"x-ms-meta-{key}": value for key, value in blob.metadata.items()}


def metadata(given: Mapping[str, str]) -> dict[str, str]:
    found = {key[10:]: value for key, value in given.items() if key.startswith("x-ms-meta-")}
    for key in found:
        if not _METADATA_NAME.fullmatch(key):
            raise Invalid(f"The metadata name {key!r} is not an identifier", code="InvalidMetadata")
    if sum(len(key) + len(value) for key, value in found.items()) > 8192:
        raise TooLarge("The metadata of a blob is over 8 KiB", code="MetadataTooLarge")
    return found


def entry(blob: Blob) -> str:
    own = "".join(f"<{key}>{escape(value)}</{key}>" for key, value in blob.metadata.items())
    return (
        f"<Blob>{named(blob.name)}<Properties><Last-Modified>{http_date(blob.modified)}</Last-Modified>"
        f"<Etag>{escape(blob.etag)}</Etag><Content-Length>{blob.size}</Content-Length>"
        f"<Content-Type>{escape(blob.content_type)}</Content-Type><BlobType>BlockBlob</BlobType>"
        f"</Properties><Metadata>{own}</Metadata></Blob>"
    )
