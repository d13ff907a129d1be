"""The rules of endpoint traffic, and the choice of a deployment for one request. Pure.

The rules are those of Azure ML online endpoints: live traffic is whole percentages that sum to 0 or 100,
mirror traffic goes to one deployment at most and is at most 50 %, and a deployment has one kind or the other.

A request's deployment is drawn independently of all others, as on Azure. A smooth (low-discrepancy) choice
would keep the observed split closer to the set one, but it locks onto the rhythm of its callers: with a 50/50
split a client that alternates between two kinds of request would send each kind to one colour only, and any
comparison of the colours would then compare the requests. Independence is also what a sequential test of two
arms assumes.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from local.errors import Invalid

MIRROR_LIMIT = 50
NAME_PATTERN = re.compile(r"[a-zA-Z](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?")
NAME_LENGTHS = range(3, 33)


def check_name(kind: str, name: str) -> None:
    """Refuse a name that an endpoint or deployment cannot bear. `kind` is the word for it in the message."""
    if len(name) not in NAME_LENGTHS or not NAME_PATTERN.fullmatch(name):
        raise Invalid(
            f"The {kind} name '{name}' is not valid: it must have {NAME_LENGTHS.start} to "
            f"{NAME_LENGTHS.stop - 1} characters, begin with a letter, hold only letters, digits and '-', "
            "and end with a letter or digit."
        )


def check_traffic(traffic: Mapping[str, object], mirror: Mapping[str, object], deployments: Collection[str]) -> None:
    """Refuse an allocation that Azure would refuse for an endpoint with these deployments.

    Percentages must be ints: a float, a bool or a string is refused even if it looks whole.
    """
    live = _percentages("traffic", traffic, deployments)
    shadow = _percentages("mirror traffic", mirror, deployments)
    total = sum(live.values())
    if total not in (0, 100):
        raise Invalid(f"The sum of traffic must be 0 or 100, but {_in_words(live)} sums to {total}.")
    mirrored = [name for name, percent in shadow.items() if percent]
    if len(mirrored) > 1:
        raise Invalid(f"Mirror traffic can go to one deployment only, not to {', '.join(sorted(mirrored))}.")
    for name in mirrored:
        if shadow[name] > MIRROR_LIMIT:
            raise Invalid(f"Mirror traffic of '{name}' is {shadow[name]} %, over the most of {MIRROR_LIMIT} %.")
        if live.get(name):
            raise Invalid(
                f"Deployment '{name}' cannot have live traffic ({live[name]} %) and mirror traffic "
                f"({shadow[name]} %) at once."
            )


def check_removal(name: str, traffic: Mapping[str, int], mirror: Mapping[str, int]) -> None:
    """Refuse the deletion of a deployment that has traffic of either kind."""
    for kind, shares in (("live", traffic), ("mirror", mirror)):
        if shares.get(name):
            raise Invalid(
                f"Deployment '{name}' has {shares[name]} % of {kind} traffic and cannot be deleted: "
                "set its traffic to 0 first."
            )


class Split:
    """A traffic allocation made ready for drawing.

    Whole percentages that sum to 100 fit a table of a hundred names, so that a draw is one index and exact.
    """

    def __init__(self, traffic: Mapping[str, int]) -> None:
        self._names = tuple(name for name, percent in sorted(traffic.items()) for _ in range(percent))
        if len(self._names) not in (0, 100):
            raise Invalid(f"The sum of traffic must be 0 or 100, not {len(self._names)}.")

    def choose(self, draw: float) -> str | None:
        """Name the deployment for a draw from [0, 1), or None if none has traffic."""
        return self._names[int(draw * 100)] if self._names else None


def _percentages(kind: str, shares: Mapping[str, object], deployments: Collection[str]) -> dict[str, int]:
    checked: dict[str, int] = {}
    for name, percent in shares.items():
        if name not in deployments:
            known = ", ".join(sorted(deployments)) or "none"
            raise Invalid(f"The {kind} names deployment '{name}', which does not exist (deployments: {known}).")
        if isinstance(percent, bool) or not isinstance(percent, int) or not 0 <= percent <= 100:
            raise Invalid(f"The {kind} of deployment '{name}' must be a whole number from 0 to 100, not {percent!r}.")
        checked[name] = percent
    return checked


def _in_words(shares: Mapping[str, int]) -> str:
    return ", ".join(f"{name}={percent}" for name, percent in sorted(shares.items())) or "nothing"
