"""Blobs: whole or absent, never outside their folder, and the same bytes again."""

from __future__ import annotations

import resource
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.errors import Conflict, Invalid, NotFound
from local.storage.blobs import Blob, Blobs, safe_name
from local.storage.store import Store


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path, Store(tmp_path / "state.sqlite"))


def put(blobs: Blobs, container: str, name: str, data: bytes) -> Blob:
    with blobs.arriving() as path:
        path.write_bytes(data)
        return blobs.commit(container, name, path)


@given(st.text(max_size=40))
def test_a_safe_name_stays_below_its_folder(name: str) -> None:
    """Whatever the name, it is refused or it stays inside."""
    try:
        path = safe_name(name)
    except Invalid:
        return
    top = Path("/top/folder")
    assert not path.is_absolute()
    assert ".." not in path.parts
    assert (top / path).is_relative_to(top)


def test_a_tree_comes_back_as_it_went(blobs: Blobs, tmp_path: Path) -> None:
    """What was collected is materialised with the same names and bytes; a neighbour's is not."""
    source = tmp_path / "source"
    (source / "deep" / "er").mkdir(parents=True)
    (source / "a.bin").write_bytes(bytes(range(256)))
    (source / "deep" / "er" / "b.txt").write_text("b")
    assert blobs.collect(source, "c", "at/here") == 2
    put(blobs, "c", "at/here-too/x", b"not mine")
    assert blobs.materialise("c", "at/here", tmp_path / "target") == 2
    found = {path.relative_to(tmp_path / "target").as_posix() for path in (tmp_path / "target").rglob("*.*")}
    assert found == {"a.bin", "deep/er/b.txt"}
    assert (tmp_path / "target" / "a.bin").read_bytes() == bytes(range(256))


def test_links_out_of_a_folder_are_not_followed(blobs: Blobs, tmp_path: Path) -> None:
    """A job that leaves a link among its outputs does not have the link's target uploaded."""
    secret = tmp_path / "secret.txt"
    secret.write_text("s")
    source = tmp_path / "source"
    source.mkdir()
    (source / "link.txt").symlink_to(secret)
    assert blobs.collect(source, "c", "x") == 0


def test_one_blob_materialises_as_a_file(blobs: Blobs, tmp_path: Path) -> None:
    """A path that is a blob itself becomes a file of the target's name."""
    put(blobs, "c", "data/one.csv", b"1")
    blobs.materialise("c", "data/one.csv", tmp_path / "in" / "one.csv")
    assert (tmp_path / "in" / "one.csv").read_bytes() == b"1"


@pytest.mark.parametrize("left", [None, b"", b"1", b"1234"])
def test_a_damaged_blob_is_not_used(blobs: Blobs, tmp_path: Path, left: bytes | None) -> None:
    """Its file is gone, shorter or longer than it was: it is named, with what to do, and nothing takes its place."""
    put(blobs, "c", "code/a.py", b"123")
    damaged = put(blobs, "c", "code/train.py", b"123")
    damaged.path.unlink() if left is None else damaged.path.write_bytes(left)
    assert blobs.is_damaged("c", "code")
    assert not blobs.is_damaged("c", "code/a.py")
    with pytest.raises(Conflict, match=r"code/train\.py in c is damaged: .*Upload it anew.*inv workspace\.reset"):
        blobs.materialise("c", "code", tmp_path / "target")
    with pytest.raises(Conflict, match="damaged"):
        blobs.whole("c", "code/train.py")
    assert not (tmp_path / "target" / "train.py").exists()


def test_a_live_blob_grows_and_is_not_damaged(blobs: Blobs, tmp_path: Path) -> None:
    """What a running job's log has more than a moment ago is no fault of it."""
    path = blobs.new_file()
    path.write_bytes(b"1")
    log = blobs.commit("c", "log", path, live=True)
    path.write_bytes(b"12")
    assert log.fault() == ""
    blobs.materialise("c", "log", tmp_path / "log")
    assert (tmp_path / "log").read_bytes() == b"12"


def test_bytes_without_a_row_are_swept(blobs: Blobs) -> None:
    """What a crash left before its row was written is removed; what has a row stays."""
    kept = put(blobs, "c", "kept", b"1")
    lost = blobs.new_file()
    lost.write_bytes(b"half")
    blobs.sweep()
    assert kept.path.exists()
    assert not lost.exists()


def test_bytes_that_become_no_blob_go_again(blobs: Blobs, tmp_path: Path) -> None:
    """When the store is full, when the disk is, when the name is none: no file is left, and the old blob is whole."""
    source = tmp_path / "source"
    source.mkdir()
    (source / "good").write_bytes(b"1")
    kept = put(blobs, "c", "x/good", b"0")
    blobs.store.db.execute(
        "CREATE TRIGGER full BEFORE INSERT ON blobs BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END"
    )
    with pytest.raises(sqlite3.Error):
        blobs.collect(source, "c", "x")
    blobs.store.db.execute("DROP TRIGGER full")
    with pytest.raises(Invalid):
        put(blobs, "c", "../x", b"1")
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    (source / "large").write_bytes(b"x" * 100_000)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limit[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            blobs.collect(source / "large", "c", "large")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert list(blobs.folder.iterdir()) == [kept.path]
    assert kept.path.read_bytes() == b"0"


def test_an_overwritten_blob_leaves_no_file_behind(blobs: Blobs) -> None:
    """The old bytes go when new ones take the name."""
    old = put(blobs, "c", "x", b"1")
    new = put(blobs, "c", "x", b"22")
    assert not old.path.exists()
    assert (new.size, new.path.read_bytes()) == (2, b"22")
    assert old.etag != new.etag


def test_delete_forgets_name_and_bytes(blobs: Blobs) -> None:
    """A deleted blob is not found, and its file is gone."""
    blob = put(blobs, "c", "x", b"1")
    blobs.delete("c", "x")
    assert not blob.path.exists()
    with pytest.raises(NotFound):
        blobs.get("c", "x")


@settings(max_examples=15, deadline=None)
@given(
    names=st.sets(st.text("ab/%_", min_size=1, max_size=6).filter(lambda name: name.strip("/")), max_size=12),
    prefix=st.text("ab/%_", max_size=4),
)
def test_lists_match_prefixes_exactly(tmp_path_factory: pytest.TempPathFactory, names: set[str], prefix: str) -> None:
    """A list has each name with the prefix, in order, and no other, whatever letters are in it."""
    folder = tmp_path_factory.mktemp("blobs")
    blobs = Blobs(folder, Store(folder / "state.sqlite"))
    names = {name for name in names if not name.startswith("/")}
    for name in names:
        put(blobs, "c", name, b"")
    assert [blob.name for blob in blobs.find("c", prefix)] == sorted(n for n in names if n.startswith(prefix))
