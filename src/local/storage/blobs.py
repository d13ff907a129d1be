"""Blobs: bytes on disk under random file names, and a row that says which blob they are.

A blob's name never becomes a path, so no name can lead out of the folder; a row is written only after its
bytes are on disk, so no blob reads as whole before it is.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from local.errors import Conflict, Invalid, NotFound
from local.storage.store import Store, now

CHUNK = 1 << 20


@dataclass(frozen=True)
class Blob:
    """One blob. `live` ones still grow (a running job's log): their size is what the file has now."""

    container: str
    name: str
    path: Path
    size: int
    etag: str
    modified: str
    content_type: str
    md5: str | None
    metadata: dict[str, str]
    live: bool = False

    def fault(self) -> str:
        """Say what is wrong with the bytes on disk, "" for nothing; of a live blob only that they are gone."""
        try:
            size = self.path.stat().st_size
        except FileNotFoundError:
            return f"its file {self.path} is gone"
        return "" if self.live or size == self.size else f"its file {self.path} holds {size} bytes, not {self.size}"


def safe_name(name: str) -> PurePosixPath:
    """Return the name as a relative path to write below a folder of one's own.

    Raises:
        Invalid: it would lead out of that folder.
    """
    path = PurePosixPath(name)
    if path.is_absolute() or not path.parts or ".." in path.parts or "\\" in name or "\0" in name:
        raise Invalid(f"The blob name {name!r} is not usable as a file name")
    return path


class Blobs:
    """Reads and writes the blobs of all containers."""

    def __init__(self, folder: Path, store: Store) -> None:
        self.root = folder
        self.folder = folder / "blobs"
        self.staging = folder / "staging"
        self.store = store
        for each in (self.folder, self.staging):
            each.mkdir(parents=True, exist_ok=True)

    def new_file(self) -> Path:
        """Return a path for bytes that no blob has yet."""
        return self.folder / secrets.token_hex(16)

    @contextmanager
    def arriving(self) -> Iterator[Path]:
        """Yield a path for bytes that are to become a blob, and delete the file if that fails.

        A cancelled call leaves the file: a thread may still be about to commit it; if not, the next start sweeps it.
        """
        path = self.new_file()
        try:
            yield path
        except Exception:
            path.unlink(missing_ok=True)
            raise

    def sweep(self) -> None:
        """Remove bytes that no row speaks of: what a crash left. Call it before serving."""
        with self.store.lock:
            known = {row[0] for row in self.store.db.execute("SELECT file FROM blobs")}
        for path in self.folder.iterdir():
            if str(path.relative_to(self.root)) not in known:
                path.unlink(missing_ok=True)
        shutil.rmtree(self.staging, ignore_errors=True)
        self.staging.mkdir(exist_ok=True)

    def get(self, container: str, name: str) -> Blob:
        with self.store.lock:
            row = self.store.db.execute(
                "SELECT container, name, file, size, etag, modified, content_type, md5, metadata FROM blobs "
                "WHERE container=? AND name=?",
                (container, name),
            ).fetchone()
        if row is None:
            raise NotFound("Blob", f"No blob {name} in {container}.")
        return self._blob(row)

    def whole(self, container: str, name: str) -> Blob:
        """Return a blob whose bytes are to be read.

        Raises:
            NotFound: there is none of this name.
            Conflict: its bytes were damaged since it was written.
        """
        blob = self.get(container, name)
        # Once more, for it may have been written anew in between.
        return _checked(self.get(container, name) if blob.fault() else blob)

    def is_damaged(self, container: str, path: str) -> bool:
        """Say whether any blob at or below a path is."""
        return any(blob.fault() for _, blob in self.tree(container, path))

    def commit(
        self,
        container: str,
        name: str,
        path: Path,
        *,
        live: bool = False,
        content_type: str = "application/octet-stream",
        md5: str | None = None,
        metadata: dict[str, str] | None = None,
    ) -> Blob:
        """Make the bytes in `path` (below the state folder) the content of a blob."""
        safe_name(name)
        size = None if live else path.stat().st_size
        values: tuple[Any, ...] = (
            container,
            name,
            str(path.relative_to(self.root)),
            size,
            f'"0x{secrets.token_hex(8).upper()}"',
            now(),
            content_type,
            md5,
            json.dumps(metadata or {}),
        )
        with self.store.transaction():
            old = self.store.db.execute(
                "SELECT file FROM blobs WHERE container=? AND name=?", (container, name)
            ).fetchone()
            self.store.db.execute("INSERT OR REPLACE INTO blobs VALUES (?,?,?,?,?,?,?,?,?)", values)
        if old and old[0] != values[2] and old[0].startswith("blobs/"):
            # The blob stands: what is left of the one before is for the next sweep.
            with suppress(OSError):
                (self.root / old[0]).unlink(missing_ok=True)
        return self.get(container, name)

    def set_metadata(self, container: str, name: str, metadata: dict[str, str]) -> Blob:
        self.get(container, name)
        with self.store.transaction():
            self.store.db.execute(
                "UPDATE blobs SET metadata=? WHERE container=? AND name=?",
                (json.dumps(metadata), container, name),
            )
        return self.get(container, name)

    def delete(self, container: str, name: str) -> None:
        blob = self.get(container, name)
        with self.store.transaction():
            self.store.db.execute("DELETE FROM blobs WHERE container=? AND name=?", (container, name))
        if blob.path.parent == self.folder:
            blob.path.unlink(missing_ok=True)

    def find(self, container: str, prefix: str = "", after: str = "", limit: int = 5000) -> list[Blob]:
        """List by name, those that start with the prefix and come after `after`."""
        with self.store.lock:
            rows = self.store.db.execute(
                "SELECT container, name, file, size, etag, modified, content_type, md5, metadata FROM blobs "
                "WHERE container=? AND name>=? AND name>? AND substr(name, 1, ?)=? ORDER BY name LIMIT ?",
                (container, prefix, after, len(prefix), prefix, limit),
            ).fetchall()
        return [self._blob(row) for row in rows]

    def tree(self, container: str, path: str) -> Iterator[tuple[PurePosixPath, Blob]]:
        """Yield each blob at or below a path, with its name relative to it ("." for the path itself)."""
        path = path.strip("/")
        after = ""
        while found := self.find(container, path, after):
            for blob in found:
                if blob.name == path:
                    yield PurePosixPath("."), blob
                elif not path or blob.name.startswith(path + "/"):
                    yield safe_name(blob.name[len(path) :].lstrip("/")), blob
            after = found[-1].name

    def materialise(self, container: str, path: str, target: Path) -> int:
        """Copy what lies at a path to `target`: a folder, or a file if the path is one blob.

        Returns the number of files.

        Raises:
            Conflict: one of them was damaged since it was written.
        """
        count = 0
        for relative, blob in self.tree(container, path):
            _checked(blob)
            destination = target / relative if relative.parts else target
            destination.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(blob.path, destination)
            count += 1
        return count

    def collect(self, source: Path, container: str, path: str) -> int:
        """Store a file, or every regular file of a folder, below a path. Returns their number."""
        count = 0
        for file, relative in _files(source):
            digest = _md5()
            with self.arriving() as target:
                with file.open("rb") as reader, target.open("wb") as writer:
                    while chunk := reader.read(CHUNK):
                        digest.update(chunk)
                        writer.write(chunk)
                    writer.flush()
                    os.fsync(writer.fileno())
                name = str(PurePosixPath(path, relative)) if relative.parts else path
                self.commit(container, name, target, md5=base64.b64encode(digest.digest()).decode())
            count += 1
        return count

    def _blob(self, row: tuple[Any, ...]) -> Blob:
        container, name, file, size, etag, modified, content_type, md5, metadata = row
        path = self.root / file
        live = size is None
        if live:
            size = path.stat().st_size if path.exists() else 0
        return Blob(container, name, path, size, etag, modified, content_type, md5, json.loads(metadata), live)


def _checked(blob: Blob) -> Blob:
    if fault := blob.fault():
        raise Conflict(
            f"Blob {blob.name} in {blob.container} is damaged: {fault}. Upload it anew, have the job that made it run "
            "again, or empty the workspace with inv workspace.reset.",
            code="BlobDamaged",
        )
    return blob


def _md5() -> hashlib._Hash:
    # Content-MD5 is part of the blob protocol; it guards against accidents, not against people.
    return hashlib.md5(usedforsecurity=False)


def _files(source: Path) -> Iterable[tuple[Path, PurePosixPath]]:
    if source.is_file():
        return [(source, PurePosixPath("."))]
    found = (path for path in sorted(source.rglob("*")) if path.is_file() and not path.is_symlink())
    return ((path, PurePosixPath(path.relative_to(source).as_posix())) for path in found)
