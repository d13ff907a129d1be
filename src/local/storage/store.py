"""Documents in SQLite: what the workspace has acknowledged, and keeps."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from local.errors import FolderError

SCHEMA_VERSION = 1

_SCHEMA = """
CREATE TABLE documents (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL, name TEXT NOT NULL, version TEXT NOT NULL DEFAULT '',
    mark TEXT NOT NULL DEFAULT '', archived INTEGER NOT NULL DEFAULT 0,
    created TEXT NOT NULL, modified TEXT NOT NULL, body TEXT NOT NULL,
    UNIQUE (kind, name, version)
);
CREATE INDEX by_kind ON documents (kind, seq);
CREATE INDEX by_name ON documents (kind, name, seq);
CREATE INDEX by_mark ON documents (kind, mark, seq);
CREATE TABLE blobs (
    container TEXT NOT NULL, name TEXT NOT NULL, file TEXT NOT NULL,
    size INTEGER, etag TEXT NOT NULL, modified TEXT NOT NULL,
    content_type TEXT NOT NULL, md5 TEXT, metadata TEXT NOT NULL,
    PRIMARY KEY (container, name)
) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class Document:
    """One stored thing. `mark` is a second key to find it by: a content hash, a status."""

    seq: int
    kind: str
    name: str
    version: str
    mark: str
    archived: bool
    created: str
    modified: str
    body: dict[str, Any]


def now() -> str:
    """Return the time as the service writes it."""
    return datetime.now(UTC).isoformat()


def unusable(path: Path, error: sqlite3.Error) -> FolderError:
    """Return what to say of a store in which a start met this error."""
    # What the system refuses is an OperationalError: a full disk, a lock. The bytes are right then.
    if isinstance(error, sqlite3.OperationalError):
        return FolderError(f"The state in {path} cannot be opened: {error}")
    return FolderError(
        f"The state in {path} is damaged ({error}): restore it from a copy, or empty it with inv workspace.reset"
    )


class Store:
    """Reads and writes documents; safe to share between threads.

    Every write is on disk (WAL, synchronous=FULL) when the call returns, or when the outermost
    `transaction` ends.
    """

    def __init__(self, path: Path) -> None:
        self.lock = threading.RLock()
        self._depth = 0
        try:
            self.db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            self.db.execute("PRAGMA journal_mode=WAL")
            self.db.execute("PRAGMA synchronous=FULL")
            found = int(self.db.execute("PRAGMA user_version").fetchone()[0])
            if found == 0:
                self.db.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version={SCHEMA_VERSION}; COMMIT;")
        except sqlite3.Error as error:
            raise unusable(path, error) from error
        if found > SCHEMA_VERSION:
            self.db.close()
            raise FolderError(
                f"The state in {path} was written by a newer version (schema {found}, this one knows "
                f"{SCHEMA_VERSION}): update azureml-bluegreen, or empty it with inv workspace.reset"
            )

    def close(self) -> None:
        with self.lock:
            self.db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make the writes inside all or nothing; nests."""
        with self.lock:
            self._depth += 1
            try:
                if self._depth == 1:
                    self.db.execute("BEGIN IMMEDIATE")
                yield
                if self._depth == 1:
                    self.db.execute("COMMIT")
            except BaseException:
                if self._depth == 1 and self.db.in_transaction:
                    self.db.execute("ROLLBACK")
                raise
            finally:
                self._depth -= 1

    def get(self, kind: str, name: str, version: str = "") -> Document | None:
        rows = self._select("kind=? AND name=? AND version=?", (kind, name, version), "LIMIT 1")
        return rows[0] if rows else None

    def put(
        self,
        kind: str,
        name: str,
        body: dict[str, Any],
        *,
        version: str = "",
        mark: str = "",
        archived: bool = False,
    ) -> Document:
        """Write a document, new or over the old one; a rewrite keeps its place and its creation time."""
        at = now()
        with self.transaction():
            self.db.execute(
                "INSERT INTO documents (kind, name, version, mark, archived, created, modified, body) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (kind, name, version) DO UPDATE SET "
                "mark=excluded.mark, archived=excluded.archived, "
                # Not before it was made, whatever was done to the clock; such texts sort as their times do.
                "modified=MAX(documents.created, excluded.modified), body=excluded.body",
                (kind, name, version, mark, int(archived), at, at, json.dumps(body)),
            )
            document = self.get(kind, name, version)
        assert document is not None
        return document

    def delete(self, kind: str, name: str, version: str | None = None) -> bool:
        """Delete one version, or everything under the name; return whether anything was there."""
        with self.transaction():
            if version is None:
                cursor = self.db.execute("DELETE FROM documents WHERE kind=? AND name=?", (kind, name))
            else:
                cursor = self.db.execute(
                    "DELETE FROM documents WHERE kind=? AND name=? AND version=?", (kind, name, version)
                )
            return cursor.rowcount > 0

    def find(
        self,
        kind: str,
        *,
        name: str | None = None,
        mark: str | None = None,
        archived: bool | None = None,
        newest_first: bool = True,
        after: int | None = None,
        limit: int = 1000,
    ) -> list[Document]:
        """List by creation; `after` is the seq of the last one already seen."""
        clauses: list[str] = ["kind=?"]
        values: list[Any] = [kind]
        for column, wanted in (("name", name), ("mark", mark), ("archived", archived)):
            if wanted is not None:
                clauses.append(f"{column}=?")
                values.append(wanted)
        if after is not None:
            clauses.append("seq<?" if newest_first else "seq>?")
            values.append(after)
        order = "DESC" if newest_first else "ASC"
        return self._select(" AND ".join(clauses), tuple(values), f"ORDER BY seq {order} LIMIT {int(limit)}")

    def names(self, kind: str) -> list[str]:
        """Return each name once, the one created last first."""
        with self.lock:
            rows = self.db.execute(
                "SELECT name FROM documents WHERE kind=? GROUP BY name ORDER BY MAX(seq) DESC", (kind,)
            )
            return [row[0] for row in rows]

    def count(self, kind: str, mark: str) -> int:
        with self.lock:
            row = self.db.execute("SELECT COUNT(*) FROM documents WHERE kind=? AND mark=?", (kind, mark)).fetchone()
        return int(row[0])

    def changes(self) -> int:
        """Return a number that grows with every write of this server."""
        with self.lock:
            return self.db.total_changes

    def find_marked(self, kind: str, prefix: str) -> list[Document]:
        """List those whose mark starts with the prefix, oldest first."""
        return self._select("kind=? AND mark>=? AND mark<?", (kind, prefix, prefix + "\U0010ffff"), "ORDER BY seq")

    def prune(self, kind: str, mark: str, keep: int) -> None:
        """Delete all but the newest `keep` of those with the mark."""
        with self.transaction():
            self.db.execute(
                "DELETE FROM documents WHERE kind=? AND mark=? AND seq <= "
                "(SELECT seq FROM documents WHERE kind=? AND mark=? ORDER BY seq DESC LIMIT 1 OFFSET ?)",
                (kind, mark, kind, mark, keep),
            )

    def greatest_number(self, kind: str, name: str) -> int:
        """Return the greatest version that is a whole number, or 0."""
        with self.lock:
            row = self.db.execute(
                "SELECT MAX(CAST(version AS INTEGER)) FROM documents "
                "WHERE kind=? AND name=? AND version NOT GLOB '*[^0-9]*' AND version<>''",
                (kind, name),
            ).fetchone()
        return int(row[0] or 0)

    def _select(self, where: str, values: tuple[Any, ...], tail: str) -> list[Document]:
        with self.lock:
            rows = self.db.execute(
                "SELECT seq, kind, name, version, mark, archived, created, modified, body FROM documents "
                f"WHERE {where} {tail}",
                values,
            ).fetchall()
        return [
            Document(seq, kind, name, version, mark, bool(archived), created, modified, json.loads(body))
            for seq, kind, name, version, mark, archived, created, modified, body in rows
        ]
