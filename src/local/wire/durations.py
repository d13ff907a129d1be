"""ISO 8601 durations, as Azure Resource Manager writes times. Pure."""

from __future__ import annotations

import re
from typing import Any

from local.errors import Invalid

_DURATION = re.compile(
    r"P(?:(?P<days>\d+(?:\.\d+)?)D)?"
    r"(?:T(?:(?P<hours>\d+(?:\.\d+)?)H)?(?:(?P<minutes>\d+(?:\.\d+)?)M)?(?:(?P<seconds>\d+(?:\.\d+)?)S)?)?"
)


def seconds(text: Any) -> float:
    """Return the length of a duration such as PT1M30S, in seconds."""
    match = _DURATION.fullmatch(str(text))
    if match is None or not any(match.groups()):
        raise Invalid(f"{text!r} is not an ISO 8601 duration such as PT30S")
    days, hours, minutes, rest = (float(part or 0) for part in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + rest
