"""Servers on loopback for one test: any at all, and a https one whose every answer is a function of the test."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import BaseServer
from typing import Any

import trustme


@dataclass(frozen=True)
class Asked:
    """A request: its method, its path with the query, one header, and its body."""

    method: str
    path: str
    authorization: str
    body: bytes


@dataclass(frozen=True)
class Server:
    """Where it listens, and the file with its certificate authority."""

    url: str
    ca: str


@contextmanager
def serving(server: BaseServer) -> Iterator[None]:
    """Let a server answer in a thread of its own until the end, which it looks for fifty times a second."""
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def serve(answer: Callable[[Asked], tuple[int, Any]], folder: Path) -> Iterator[Server]:
    """Answer every request with the status and the JSON that `answer` gives for it; `folder` gets the certificate."""

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"] or 0))
            asked = Asked(self.command, self.path, self.headers["Authorization"] or "", body)
            status, value = answer(asked)
            content = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = handle_any

        def log_message(self, *words: object) -> None:
            return

    authority = trustme.CA()
    file = folder / "ca.pem"
    authority.cert_pem.write_to_path(str(file))
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    with serving(server):
        yield Server(f"https://127.0.0.1:{server.server_port}", str(file))
