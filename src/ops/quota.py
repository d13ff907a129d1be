"""How many cores two colours need, and whether the subscription has them left.

A managed deployment of n instances takes the quota of ceil(1.2 n), since Azure keeps a fifth in reserve for its own
updates; blue and green both count while both are there (Microsoft's "Manage and increase quotas", managed online
endpoints). Of some sizes it keeps none, which no interface tells: what is found missing here may then be too much.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

COLOURS = 2


@dataclass(frozen=True)
class Size:
    """A machine size: its cores, and the family whose quota it draws on."""

    name: str
    family: str
    cores: int


@dataclass(frozen=True)
class Usage:
    """Cores of a family: in use now, and allowed."""

    used: int
    limit: int


def cores(size: Size, instances: int) -> int:
    """Return the quota that one deployment takes.

    >>> cores(Size("Standard_DS3_v2", "standardDSv2Family", 4), 1)
    8
    """
    return -(-12 * instances // 10) * size.cores


def short(size: Size, instances: int, usage: Usage, deployed: int) -> int:
    """Return how many cores are missing for both colours, of which `deployed` are up already; 0 when it suffices.

    >>> ds3 = Size("Standard_DS3_v2", "standardDSv2Family", 4)
    >>> short(ds3, 1, Usage(used=0, limit=16), 0), short(ds3, 1, Usage(used=8, limit=10), 1)
    (0, 6)
    """
    wanted = (COLOURS - min(deployed, COLOURS)) * cores(size, instances)
    return max(wanted - (usage.limit - usage.used), 0)


def read(client: Any, instance_type: str) -> tuple[Size | None, Usage | None]:
    """Read the size and its family's usage in the workspace's region; None for what is not offered there."""
    size = next((found for found in client.compute.list_sizes() if found.name.lower() == instance_type.lower()), None)
    if size is None:
        return None, None
    chosen = Size(str(size.name), str(size.family), int(_field(size, "vCPUs", "v_cp_us")))
    for found in client.compute.list_usage():
        name = found.name["value"] if isinstance(found.name, dict) else found.name.value
        if str(name).lower() == chosen.family.lower():
            return chosen, Usage(int(_field(found, "currentValue", "current_value")), int(found.limit))
    return chosen, None


def _field(found: Any, *names: str) -> Any:
    """Return the first of these that is set: the SDK fills in Azure's name or its own, by its version."""
    return next(vars(found)[name] for name in names if vars(found).get(name) is not None)
