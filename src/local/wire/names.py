"""Names of jobs and assets, which become parts of addresses and of paths on disk, and of environment variables."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from local.errors import Invalid

_TAGS, _TAG_NAME, _TAG_VALUE = 50, 512, 256
_NOT_IN_TAGS = frozenset("<>%&\\?/")
_FORM = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,254}")


def check(what: str, name: str) -> None:
    """Refuse a name or a version that the service would not take. `what` is the word for it in the message."""
    if not _FORM.fullmatch(name):
        raise Invalid(
            f"{what} {name[:80]!r}: a name holds letters a to z, digits, -, _ and ., "
            "begins with a letter, a digit or _, and has at most 255 characters"
        )


def check_tags(what: str, tags: Mapping[str, str]) -> None:
    """Refuse tags that Azure Resource Manager would not keep on a resource: 50, of 512 and 256 characters."""
    if len(tags) > _TAGS:
        raise Invalid(f"{what} has {len(tags)} tags; a resource has at most {_TAGS}")
    for name, value in tags.items():
        if not name or len(name) > _TAG_NAME or _NOT_IN_TAGS.intersection(name):
            raise Invalid(
                f"{what}: {name[:80]!r} cannot be a tag's name: it has 1 to {_TAG_NAME} characters, and none of "
                + " ".join(sorted(_NOT_IN_TAGS))
            )
        if len(value or "") > _TAG_VALUE:
            raise Invalid(f"{what}: the value of tag {name[:80]!r} has more than {_TAG_VALUE} characters")


def check_variables(variables: Iterable[str]) -> None:
    """Refuse names that no process can have in its environment."""
    for name in variables:
        if not name or "=" in name:
            raise Invalid(f"{name[:80]!r} cannot be the name of an environment variable")
