"""Fingerprints: equal for equal code, different for any change that matters."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from ops import lineage


def folder(place: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        file = place / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return place


def test_row_7_a_change_of_a_byte_changes_the_fingerprint(tmp_path: Path) -> None:
    """Code, declaration and environment all count."""
    code = folder(tmp_path / "code", {"train.py": b"a", "sub/model.py": b"b"})
    before = lineage.fingerprint(code, {"target": "late"})
    assert lineage.fingerprint(code, {"target": "early"}) != before
    (code / "sub/model.py").write_bytes(b"c")
    assert lineage.fingerprint(code, {"target": "late"}) != before


def test_place_time_and_caches_do_not_count(tmp_path: Path) -> None:
    """The same code in another checkout has the same fingerprint, also after it ran."""
    one = folder(tmp_path / "one", {"train.py": b"a"})
    two = folder(tmp_path / "two", {"train.py": b"a", "__pycache__/train.pyc": b"x", "old.pyc": b"y"})
    os.utime(two / "train.py", (1, 1))
    assert lineage.fingerprint(one) == lineage.fingerprint(two)


@given(st.binary(max_size=8), st.binary(max_size=8))
def test_bytes_moved_between_files_are_a_change(first: bytes, second: bytes) -> None:
    """No two different folders run together into one digest."""
    import tempfile

    with tempfile.TemporaryDirectory() as place:
        one = folder(Path(place) / "one", {"a": first, "b": second})
        two = folder(Path(place) / "two", {"a": first + second, "b": b""})
        assert (lineage.fingerprint(one) == lineage.fingerprint(two)) == (second == b"")


def test_the_commit_says_when_files_differ_from_it(tmp_path: Path) -> None:
    """A clean checkout gives the commit, a changed one says so, no repository gives none."""
    assert lineage.git_commit(tmp_path) == "none"
    who = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}
    for words in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "start"]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True, env={**os.environ, **who})
    clean = lineage.git_commit(tmp_path)
    assert len(clean) == 40
    (tmp_path / "new.txt").write_text("x")
    assert lineage.git_commit(tmp_path) == clean + "+changes"
