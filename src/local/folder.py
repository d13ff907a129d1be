"""A workspace's folder: what is in it, and that nothing else is touched."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from pathlib import Path

from local.errors import FolderError

CONNECTION_FILE = "connection.json"
EXCHANGES_FILE = "exchanges.jsonl"
LOG_FILE = "server.log"
OLD_LOG_FILE = "server.old.log"
STORE_FILE = "state.sqlite"
# All that a workspace ever has in its folder. SQLite has files of its own beside the store.
_OURS = frozenset(
    {CONNECTION_FILE, EXCHANGES_FILE, LOG_FILE, OLD_LOG_FILE, "ports.json", "server.lock", "start.lock", "token"}
    | {STORE_FILE + end for end in ("", "-wal", "-shm", "-journal")}
    | {"blobs", "codes", "jobs", "models", "serving", "staging", "tls"}
)


def check(folder: Path) -> None:
    """Make the folder if it is not there; raise FolderError for one that holds other things, and no workspace.

    A workspace sweeps its folder and is emptied as a whole: in a folder of somebody's own work, that would be lost.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    names = {path.name for path in folder.iterdir()}
    others = sorted(name for name in names if not _is_ours(name))
    if others and STORE_FILE not in names:
        shown = ", ".join(others[:3]) + (", ..." if len(others) > 3 else "")
        raise FolderError(
            f"{folder} does not look like a workspace's state folder, for it holds {shown}: nothing was touched; "
            "the local workspace needs a folder of its own"
        )


def clear(folder: Path) -> None:
    """Delete all that a workspace has there, and the folder when nothing else is in it."""
    for path in folder.iterdir():
        if not _is_ours(path.name):
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    with contextlib.suppress(OSError):
        folder.rmdir()


def _is_ours(name: str) -> bool:
    # Or a file that was being written, by `write_private`.
    return name in _OURS or (name.startswith(".") and name[1:].rpartition(".")[0] in _OURS)


def write_private(path: Path, data: bytes) -> None:
    """Write a file that only its owner reads, whole or not at all."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
