"""A lease on an endpoint, kept in one of its tags, so that two operators never roll out at the same time.

Azure offers no compare-and-swap on an endpoint. The holder therefore reads the tag back after writing it, and looks
again before each of its later writes: of two that start together, the one whose tag was overwritten gives way.
"""

from __future__ import annotations

import getpass
import hashlib
import os
import platform
import secrets
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ops import actions
from ops.errors import Refused

_MOST_CHARACTERS = 80  # of a user's and of a host's name: a tag's value is at most 256


@dataclass(frozen=True)
class Lease:
    """Who works on the endpoint, and until when at the latest."""

    holder: str
    until: datetime

    def __str__(self) -> str:
        """Return it as the tag keeps it: holder, a bar, the time in UTC."""
        return f"{self.holder}|{self.until.isoformat(timespec='seconds')}"

    def renewed(self, seconds: float) -> Lease:
        """Return the same holder's lease for `seconds` from now."""
        return Lease(self.holder, datetime.now(UTC) + timedelta(seconds=seconds))


def mine(seconds: float) -> Lease:
    """Return a new lease for this process: user@host:pid, where its number means something, and a word of its own."""
    run = actions.run_id()
    who = f"GitHub run {run}" if run else f"{_user()[:_MOST_CHARACTERS]}@{_host()}:{os.getpid()}"
    return Lease(f"{who} #{_where()}.{secrets.token_hex(3)}", datetime.now(UTC)).renewed(seconds)


def read(tag: str | None) -> Lease | None:
    """Return the lease that a tag keeps; None for none, and for one that cannot be read."""
    holder, _, text = (tag or "").rpartition("|")
    try:
        until = datetime.fromisoformat(text)
    except ValueError:
        return None
    return Lease(holder, until) if holder and until.tzinfo is not None else None


def is_held(found: Lease) -> bool:
    """Return whether its holder may still be at work: it has time left, and is no process of here that is gone."""
    return found.until > datetime.now(UTC) and not _is_gone(found.holder)


def check(found: Lease | None, own: Lease | None = None, *, force: bool = False) -> None:
    """Raise Refused when somebody (but for the holder of `own`) holds the endpoint, and may still be at work.

    A lease that has expired, or whose process is seen to be gone, holds nothing.
    """
    if found is None or (own and found.holder == own.holder) or force or not is_held(found):
        return
    raise Refused(
        f"{found.holder} is rolling out on this endpoint, until {found.until:%H:%M:%S} UTC at the latest: "
        "wait for it, or take it over with --force"
    )


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container may run as a number that no account has.
        return f"uid {os.getuid()}"


def _host() -> str:
    return platform.node()[:_MOST_CHARACTERS]


def _where() -> str:
    """Return what is the same for all processes that can see each other's numbers, and for no others.

    Not the host's name: two machines may have one name, and a container a view of its own.
    """
    try:
        seen = Path("/proc/sys/kernel/random/boot_id").read_text() + str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        seen = str(uuid.getnode())
    return hashlib.sha256(seen.encode()).hexdigest()[:8]


def _is_gone(holder: str) -> bool:
    import psutil

    name, _, word = holder.partition(" #")
    pid = name.rpartition(":")[2]
    return word.partition(".")[0] == _where() and pid.isdigit() and not psutil.pid_exists(int(pid))
