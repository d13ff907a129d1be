"""Documents: all or nothing, in order, and still there after a kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from local.errors import FolderError
from local.storage import store as store_module
from local.storage.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "state.sqlite")


def test_a_rewrite_keeps_place_and_creation(store: Store) -> None:
    """A document written again stays where it was in the list, and keeps its creation time."""
    first = store.put("k", "a", {"n": 1})
    store.put("k", "b", {"n": 1})
    again = store.put("k", "a", {"n": 2})
    assert (again.seq, again.created, again.body) == (first.seq, first.created, {"n": 2})
    assert [each.name for each in store.find("k")] == ["b", "a"]


def test_a_failed_transaction_leaves_nothing(store: Store) -> None:
    """An error inside a transaction, nested or not, undoes all of it."""

    def write_and_fail() -> None:
        with store.transaction():
            store.put("k", "a", {})
            with store.transaction():
                store.put("k", "b", {})
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_and_fail()
    assert store.find("k") == []


def test_pages_follow_each_other(store: Store) -> None:
    """Asking for what comes after the last seen goes through all, once each, both ways."""
    for number in range(10):
        store.put("k", str(number), {})
    for newest_first in (True, False):
        seen: list[str] = []
        after = None
        while found := store.find("k", after=after, limit=3, newest_first=newest_first):
            seen += [each.name for each in found]
            after = found[-1].seq
        assert sorted(seen) == [str(number) for number in range(10)]
        assert seen == sorted(seen, reverse=newest_first)


def test_the_greatest_number_is_a_number(store: Store) -> None:
    """Versions count as numbers (10 after 9), and other words don't count."""
    for version in ("9", "10", "2", "beta", "7a"):
        store.put("models", "m", {}, version=version)
    assert store.greatest_number("models", "m") == 10
    assert store.greatest_number("models", "other") == 0


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    """A writer killed by SIGKILL leaves every document it had reported as written."""
    script = (
        "import sys\nfrom pathlib import Path\nfrom local.storage.store import Store\n"
        "store = Store(Path(sys.argv[1]))\n"
        "for number in range(10**6):\n"
        "    store.put('k', str(number), {})\n"
        "    print(number, flush=True)\n"
    )
    source = str(Path(store_module.__file__).resolve().parents[2])
    path = tmp_path / "state.sqlite"
    with subprocess.Popen(
        [sys.executable, "-c", script, str(path)],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": source},
    ) as writer:
        assert writer.stdout is not None
        lines = [int(writer.stdout.readline()) for _ in range(20)]
        writer.send_signal(signal.SIGKILL)
        lines += [int(line) for line in writer.stdout.read().split(b"\n")[:-1]]
    after = Store(path)
    assert all(after.get("k", str(number)) is not None for number in lines)


def test_a_broken_database_is_said_so(tmp_path: Path) -> None:
    """A file that is no database is a FolderError that names it, and says what to do."""
    path = tmp_path / "state.sqlite"
    path.write_bytes(b"not a database" * 100)
    with pytest.raises(FolderError, match=r"state\.sqlite is damaged \(.*: restore it .*inv workspace\.reset"):
        Store(path)


def test_pruning_keeps_the_newest(store: Store) -> None:
    """Of many with a mark the newest stay, and other marks are not touched."""
    for number in range(10):
        store.put("operations", str(number), {}, mark="ended" if number else "busy x")
    store.prune("operations", "ended", 3)
    assert [each.name for each in store.find("operations")] == ["9", "8", "7", "0"]
    assert [each.name for each in store.find_marked("operations", "busy ")] == ["0"]


def test_a_clock_that_jumps_back_changes_no_order(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest is what was made last, whatever the clock said then."""
    for name, time in (("first", "2030-01-01"), ("second", "2020-01-01")):
        monkeypatch.setattr("local.storage.store.now", lambda time=time: time)
        store.put("jobs", name, {})
    assert [each.name for each in store.find("jobs")] == ["second", "first"]
