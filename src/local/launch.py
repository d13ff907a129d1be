"""Start, find, stop and empty the local workspace of a folder. Light: only the standard library."""

from __future__ import annotations

import contextlib
import fcntl
import hmac
import json
import os
import secrets
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from local.errors import FolderError, ServerDied, StartDeadline, StartError
from local.folder import CONNECTION_FILE, LOG_FILE, OLD_LOG_FILE, check, clear
from local.proof import PATH, proof

# Raised when a running server of older code should not be used any more.
PROTOCOL = "2"
_PING_SECONDS = 5.0
_STOP_SECONDS = 30.0
_LOG_LIMIT = 4 << 20


@dataclass(frozen=True)
class Connection:
    """What a client needs. Nothing in it is secret: the token stands in a file that only its owner reads."""

    arm: str
    cloud_metadata: dict[str, str]
    ca_bundle: str
    token_file: str
    subscription_id: str
    resource_group: str
    workspace_name: str
    scoring: str
    pid: int
    folder: str
    version: str
    instance: str
    # A server of older code has none of these; it is to be found, and replaced.
    studio: str = ""
    authority: str = ""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def token(self) -> str:
        """Read the bearer token of the control plane."""
        return Path(self.token_file).read_text().strip()


def log_file(folder: Path) -> Path:
    """Return where the server of a folder writes its log."""
    return folder.resolve() / LOG_FILE


def find(folder: Path) -> Connection | None:
    """Return the connection of the running server of a folder, or None.

    The server must prove that it knows the token and be the very one that wrote the connection file; the token
    itself is not sent, since a stranger may have the port by now.
    """
    folder = folder.resolve()
    try:
        connection = Connection(**json.loads((folder / CONNECTION_FILE).read_text()))
        token = connection.token()
        os.kill(connection.pid, 0)
    except (OSError, ValueError, TypeError):
        return None
    return connection if _answers(connection, token) else None


def ensure(folder: Path, deadline_seconds: float = 60.0) -> Connection:
    """Return a connection to the folder's server, started if it does not run.

    Raises:
        FolderError: the folder cannot be used.
        ServerDied: the server ended while starting.
        StartDeadline: it was not ready in time.
    """
    folder = folder.resolve()
    found = find(folder)
    if found and found.version == PROTOCOL:
        return found
    try:
        check(folder)
        with _start_lock(folder, deadline_seconds):
            if found := find(folder):
                if found.version == PROTOCOL:
                    return found
                stop(folder)
            start = _start(folder, deadline_seconds)
    except OSError as error:
        raise FolderError(f"The state folder {folder} cannot be used: {error}") from error
    found = find(folder)
    if found is None:
        raise ServerDied(f"The local workspace ended as soon as it was ready.{_tail(folder, start)}")
    return found


def stop(folder: Path) -> bool:
    """Stop the folder's server with all that it runs; return whether one was running."""
    folder = folder.resolve()
    connection = find(folder)
    if connection is None:
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(connection.pid, signal.SIGTERM)
    deadline = time.monotonic() + _STOP_SECONDS
    while _holds_lock(folder):
        if time.monotonic() > deadline:
            raise StartError(f"The local workspace (process {connection.pid}) did not stop in {_STOP_SECONDS:g} s")
        time.sleep(0.02)
    return True


def reset(folder: Path) -> None:
    """Stop the folder's server and delete all that it kept, and the folder when nothing else is in it.

    Raises:
        FolderError: it is not a workspace's folder.
        StartError: a server that does not answer holds it.
    """
    folder = folder.resolve()
    if not folder.exists():
        return
    check(folder)
    with _start_lock(folder, _STOP_SECONDS):
        stop(folder)
        if _holds_lock(folder):
            raise StartError(f"A server that does not answer still works on {folder}: end it first")
        clear(folder)


def _answers(connection: Connection, token: str) -> bool:
    nonce = secrets.token_hex(16)
    host, _, port = connection.scoring.removeprefix("http://").partition(":")
    request = f"GET /{'/'.join(PATH)}?{nonce} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n"
    try:
        with socket.create_connection((host, int(port)), timeout=_PING_SECONDS) as client:
            client.sendall(request.encode())
            with client.makefile("rb") as reader:
                answer = json.loads(reader.read(65536).partition(b"\r\n\r\n")[2])
    except (OSError, ValueError):
        return False
    proven = hmac.compare_digest(str(answer.get("proof")), proof(token, nonce))
    return proven and answer.get("instance") == connection.instance


@contextlib.contextmanager
def _start_lock(folder: Path, seconds: float) -> Iterator[None]:
    """Let one process at a time start the server of a folder, or empty it."""
    deadline = time.monotonic() + seconds
    path = folder / "start.lock"
    while True:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with path.open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                if time.monotonic() > deadline:
                    raise StartDeadline(f"Another command is at work on the workspace of {folder}") from error
                time.sleep(0.02)
                continue
            # Whoever had it may have emptied the folder, and the lock with it.
            if path.exists() and os.path.samestat(path.stat(), os.fstat(file.fileno())):
                yield
                return


def _holds_lock(folder: Path) -> bool:
    path = folder / "server.lock"
    if not path.exists():
        return False
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


def _start(folder: Path, seconds: float) -> int:
    """Start the folder's server and wait until it is ready; return where in the log its own output begins."""
    log = folder / LOG_FILE
    if log.exists() and log.stat().st_size > _LOG_LIMIT:
        log.replace(log.with_name(OLD_LOG_FILE))
    source = str(Path(__file__).resolve().parent.parent)
    # The server is the user's daemon: it gets no setting of the command that happened to start it.
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("INVOKE_", "AZUREML_"))}
    environment["PYTHONPATH"] = source
    read_end, write_end = _pipe()
    with os.fdopen(read_end, "rb") as ready, log.open("ab") as output:
        start = output.tell()
        try:
            process = subprocess.Popen(
                [sys.executable, "-m", "local", str(folder), "--ready-fd", str(write_end)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=folder,
                env=environment,
                start_new_session=True,
                pass_fds=(write_end,),
            )
        finally:
            os.close(write_end)
        if not select.select([ready], [], [], seconds)[0]:
            process.terminate()
            raise StartDeadline(f"The local workspace was not ready in {seconds:g} s.{_tail(folder, start)}")
        if ready.readline() != b"ready\n":
            process.wait(10)
            raise ServerDied(f"The local workspace could not start.{_tail(folder, start)}")
    # It outlives this process, which is not to warn of it as of a forgotten child.
    process.returncode = 0
    return start


def _pipe() -> tuple[int, int]:
    """Return the two ends of a pipe, neither of which has the number of a standard stream (0 to 2).

    A command that was started without its standard streams would be given those numbers, and the server's own
    standard streams would then replace the pipe.
    """
    read_end, write_end = os.pipe()
    try:
        return (fcntl.fcntl(read_end, fcntl.F_DUPFD_CLOEXEC, 3), fcntl.fcntl(write_end, fcntl.F_DUPFD_CLOEXEC, 3))
    finally:
        os.close(read_end)
        os.close(write_end)


def _tail(folder: Path, start: int, lines: int = 12) -> str:
    """Return the last lines of the log from offset `start` on; what is before it an earlier server wrote."""
    log = folder / LOG_FILE
    try:
        text = log.read_bytes()[start:][-8192:].decode(errors="replace").splitlines()[-lines:]
    except OSError:
        return ""
    if not text:
        return f" It said nothing in {log}"
    return f" The end of {log}:\n" + "\n".join(text)
