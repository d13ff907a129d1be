"""Names of jobs and assets, which become parts of addresses and of paths on disk, and of environment variables."""

from __future__ import annotations

import re
from collections.abc import Iterable

from local.errors import Invalid

_FORM = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,254}")


def check(what: str, name: str) -> None:
    """Refuse a name or a version that the service would not take. `what` is the word for it in the message."""
    if not _FORM.fullmatch(name):
        raise Invalid(
            f"{what} {name[:80]!r}: a name holds letters a to z, digits, -, _ and ., "
            "begins with a letter, a digit or _, and has at most 255 characters"
        )


def check_variables(variables: Iterable[str]) -> None:
    """Refuse names that no process can have in its environment."""
    for name in variables:
        if not name or "=" in name:
            raise Invalid(f"{name[:80]!r} cannot be the name of an environment variable")
