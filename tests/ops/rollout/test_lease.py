"""Who may roll out: one operator at a time, until the lease expires or its process is gone."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from ops.errors import Refused
from ops.rollout import lease
from ops.rollout.lease import Lease


def other(holder: str = "ada@elsewhere:4711 #a1b2c3", seconds: float = 60) -> Lease:
    return Lease(holder, datetime.now(UTC) + timedelta(seconds=seconds))


def test_a_lease_comes_back_from_its_tag() -> None:
    """Holder and time, to the second; within a tag's 256 characters."""
    mine = lease.mine(900)
    found = lease.read(str(mine))
    assert found is not None
    assert found.holder == mine.holder
    assert abs(found.until - mine.until) < timedelta(seconds=1)
    assert len(str(mine)) <= 256


def test_a_holder_may_have_any_name() -> None:
    """The last bar ends it."""
    found = lease.read("a|b@c:1 #d|2026-11-23T07:00:00+00:00")
    assert found is not None
    assert found.holder == "a|b@c:1 #d"


@pytest.mark.parametrize(
    "tag", [None, "", "|", "x", "ada|", "|2026-11-23T07:00:00+00:00", "ada|soon", "ada|2026-11-23"]
)
def test_what_is_no_lease_holds_nothing(tag: str | None) -> None:
    """Among them a time without a zone, which no run writes."""
    assert lease.read(tag) is None


def test_two_leases_of_one_process_differ() -> None:
    """A later run of the same process number is told from an earlier one."""
    assert lease.mine(60).holder != lease.mine(60).holder


def test_another_holder_is_refused_by_name() -> None:
    """The message says who, until when, and both ways out."""
    with pytest.raises(Refused, match=r"ada@elsewhere:4711 .*until \d\d:\d\d:\d\d UTC.*wait for it.*--force"):
        lease.check(other(), lease.mine(60))


def test_nothing_to_refuse() -> None:
    """Nobody, oneself, an expired lease, and any with force."""
    mine = lease.mine(60)
    for found, force in ((None, False), (mine.renewed(5), False), (other(seconds=-1), False), (other(), True)):
        lease.check(found, mine, force=force)


def test_a_process_of_this_machine_that_is_gone_holds_nothing() -> None:
    """Row 24: after kill -9 nobody has to wait for the lease to expire."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    mine = lease.mine(60)
    here, alive = mine.holder.partition(" #")[2].partition(".")[0], os.getpid()
    lease.check(other(f"ada@vm:{gone.pid} #{here}.000000"), mine)
    with pytest.raises(Refused):
        lease.check(other(f"ada@vm:{alive} #{here}.000000"), mine)


@pytest.mark.parametrize("word", ["0a1b2c3d.000000", "000000", ""])
def test_a_process_of_another_machine_may_be_alive(word: str) -> None:
    """Its number says nothing here, and neither does the name: another machine may have the same."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    mine = lease.mine(60)
    name = mine.holder.partition(" #")[0].rpartition(":")[0]
    with pytest.raises(Refused):
        lease.check(other(f"{name}:{gone.pid} #{word}"), mine)


def test_a_user_without_an_account_is_named_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container may run as any number."""

    def unknown(number: int) -> None:
        raise KeyError(f"getpwuid(): uid not found: {number}")

    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", unknown)
    assert lease.mine(60).holder.startswith(f"uid {os.getuid()}@")


def test_a_runner_is_named_by_its_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """GitHub gives the number; elsewhere the variable counts for nothing."""
    monkeypatch.setenv("GITHUB_RUN_ID", "815")
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    assert "815" not in lease.mine(60).holder.partition(" #")[0].partition("@")[0]
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    assert lease.mine(60).holder.startswith("GitHub run 815 #")
