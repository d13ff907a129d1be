"""Files of the public web, for the job that names one: Azure mounts them, here they are copied before it runs."""

from __future__ import annotations

import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path

import certifi

from local.errors import LocalError

MOST_BYTES = 1 << 30
MOST_SECONDS = 600.0
_QUIET_SECONDS = 30.0
_CHUNK = 1 << 20


def fetch(
    address: str,
    target: Path,
    stopped: Callable[[], bool],
    most_bytes: int = MOST_BYTES,
    most_seconds: float = MOST_SECONDS,
) -> None:
    """Write what is at an http or https address to a file; leave off when `stopped` says so.

    Redirects are followed, to http and https alone, and the machine's proxies are used. No credentials are sent.

    Raises:
        LocalError: it is not there, breaks off, is bigger than `most_bytes` or takes longer than `most_seconds`.
    """
    shown = address.partition("?")[0]
    deadline = time.monotonic() + most_seconds
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with _opener().open(address, timeout=min(_QUIET_SECONDS, most_seconds)) as answer, target.open("wb") as file:
            while (chunk := answer.read1(_CHUNK)) and not stopped():
                file.write(chunk)
                if file.tell() > most_bytes:
                    raise LocalError(f"{shown} is bigger than {most_bytes >> 20} MiB: register it as data instead")
                if time.monotonic() > deadline:
                    raise LocalError(f"{shown} did not arrive in {most_seconds:g} s")
            # What is still to come of the length that the server has said; read1 says nothing of it.
            if answer.length and not stopped():
                raise LocalError(f"{shown} broke off {answer.length} bytes before its end")
    except (OSError, HTTPException, ValueError) as error:
        raise LocalError(f"{shown} cannot be read: {error}") from error


def _opener() -> urllib.request.OpenerDirector:
    """Return what speaks http and https, and nothing else that an address or a redirect may ask for."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(context=context),
        urllib.request.HTTPRedirectHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    return opener
