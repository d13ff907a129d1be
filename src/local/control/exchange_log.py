"""What was said to the control plane, written down when someone wants to read it.

While a file `exchanges.jsonl` is in the state folder, each call and its answer become one line of it: {"method", "url",
"status", "headers", "body"}, of which the last three are the answer's. What the caller showed and sent is not in it;
the answers' secrets are, such as an endpoint's keys. Make the file before the server starts; it grows to 64 MiB and no
further.
"""

from __future__ import annotations

import json
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from local.folder import EXCHANGES_FILE

LIMIT_BYTES = 64 << 20


class ExchangeLog:
    """Appends to the file, if it was there at the start."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / EXCHANGES_FILE
        self._wanted = self._path.exists()

    def record(self, request: Request, response: Response) -> Response:
        """Write an exchange down, and return its answer. Called in the event loop, so that no two lines mix."""
        if self._wanted:
            self._append(request, response)
        return response

    def _append(self, request: Request, response: Response) -> None:
        body = bytes(response.body)
        exchange = {
            "method": request.method,
            "url": str(request.url),
            "status": response.status_code,
            "headers": dict(response.headers),
            "body": json.loads(body) if body else None,
        }
        with self._path.open("a") as file:
            if file.tell() < LIMIT_BYTES:
                file.write(json.dumps(exchange) + "\n")
