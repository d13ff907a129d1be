"""A figure of the bench, and the list in which docs/benchmarks.json keeps them."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Figure:
    """One figure of the bench: ours, what it is measured against in the same run, the aim, and whether it is met."""

    name: str
    value: float
    reference: float
    ratio: float
    aim: str
    holds: bool

    @property
    def is_aimed(self) -> bool:
        """Whether it has an aim, or is only told."""
        return not self.aim.startswith("none")


def at_most(name: str, value: float, reference: float, times: float) -> Figure:
    """Make the figure of something that should cost at most `times` its reference."""
    ratio = value / reference
    return Figure(name, value, reference, ratio, f"at most {_of_reference(times)}", ratio <= times)


def at_least(name: str, value: float, reference: float, times: float) -> Figure:
    """Make the figure of something that should yield at least `times` its reference."""
    ratio = value / reference
    return Figure(name, value, reference, ratio, f"at least {_of_reference(times)}", ratio >= times)


def _of_reference(times: float) -> str:
    return "the reference" if times == 1 else f"{times:.3g} times the reference"


def added(name: str, value: float, reference: float, most: float, unit: str) -> Figure:
    """Make the figure of something that should cost at most `most` more than its reference."""
    more = value - reference
    return Figure(name, value, reference, value / reference, f"at most {most:g} {unit} more", more <= most)


def unaimed(name: str, value: float, reference: float, why: str) -> Figure:
    """Make a figure that is told and aims at nothing; `why`, in a few words."""
    return Figure(name, value, reference, value / reference, f"none: {why}", True)


def read(path: Path) -> list[Figure]:
    """Read the list in a file; an empty one if there is no such file."""
    return [Figure(**figure) for figure in json.loads(path.read_text())] if path.exists() else []


def put(path: Path, figures: Iterable[Figure]) -> list[Figure]:
    """Put figures into the list in a file, in place of earlier ones of their names; return the whole list."""
    new = {figure.name: figure for figure in figures}
    whole = [*(figure for figure in read(path) if figure.name not in new), *new.values()]
    path.write_text(json.dumps([asdict(figure) for figure in whole], indent=1) + "\n")
    return whole


def machine() -> str:
    """Say what the figures were measured on."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        models = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        name = models[0] if models else name
    return f"{cores} cores of {name}, {platform.system()}, Python {platform.python_version()}"
