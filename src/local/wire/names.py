"""Names of jobs and assets, which become parts of addresses and of paths on disk."""

from __future__ import annotations

import re

from local.errors import Invalid

_FORM = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,254}")


def check(what: str, name: str) -> None:
    """Refuse a name or a version that the service would not take. `what` is the word for it in the message."""
    if not _FORM.fullmatch(name):
        raise Invalid(
            f"{what} {name[:80]!r}: a name holds letters a to z, digits, -, _ and ., "
            "begins with a letter, a digit or _, and has at most 255 characters"
        )
