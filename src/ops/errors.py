"""What can go wrong in ops, and how a command then ends.

    OpsError                    exit 1: it failed, or was rolled back
    ├── UsageError              exit 2: an invalid setting or value
    ├── NotFound                what was asked for does not exist
    ├── Refused                 a rule forbids it now; --force overrides some rules
    ├── JobFailed               a job failed, was cancelled, or did not end in time
    ├── DeploymentFailed        Azure could not bring a deployment up
    ├── TestFailed              a deployment is up, but did not pass the endpoint test
    ├── RolledBack              the rollout found the new deployment bad; the old one has the traffic
    ├── Moved                   somebody else changed the traffic in the meantime
    ├── Timeout                 a wait reached its deadline
    ├── Unreachable             no workspace, or no sign-in
    └── Paused                  exit 3: the rollout stopped before its end; the traffic stays as it is

Every message says the thing, the fault, and what exists or what to do.
"""

from __future__ import annotations


class OpsError(Exception):
    """The base; `exit_code` is what the command ends with, `facts` is what --json says besides the message."""

    exit_code = 1

    def __init__(self, message: str = "", **facts: object) -> None:
        """Keep the message and the facts, which are plain data."""
        super().__init__(message)
        self.facts = facts


class UsageError(OpsError):
    """An invalid setting or value."""

    exit_code = 2


class NotFound(OpsError):
    """What was asked for does not exist."""


class Refused(OpsError):
    """A rule forbids it now; --force overrides some rules."""


class JobFailed(OpsError):
    """A job failed, was cancelled, or did not end in time."""


class DeploymentFailed(OpsError):
    """Azure could not bring a deployment up."""


class TestFailed(OpsError):
    """A deployment is up, but did not pass the endpoint test."""

    __test__ = False  # not a test class, whatever pytest makes of the name


class RolledBack(OpsError):
    """The rollout found the new deployment bad; the old one has the traffic."""


class Moved(OpsError):
    """Somebody else changed the traffic in the meantime."""


class Timeout(OpsError):
    """A wait reached its deadline."""


class Unreachable(OpsError):
    """No workspace, or no sign-in."""


class Paused(OpsError):
    """The rollout stopped before its end; the traffic stays as it is."""

    exit_code = 3


def first_line(fault: BaseException) -> str:
    """Return the first line of what an error says; its kind when it says nothing.

    >>> first_line(ValueError("no such slot\\nsecond line")), first_line(ConnectionResetError())
    ('no such slot', 'ConnectionResetError')
    """
    said = str(getattr(fault, "message", "") or fault).strip()
    return said.splitlines()[0] if said else type(fault).__name__
