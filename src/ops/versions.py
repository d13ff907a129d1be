"""Versions: whether this Python, the packages beside it and environment.yml are those of the lock."""

from __future__ import annotations

import re
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import yaml

PYTHONS = ((3, 11), (3, 13))  # pyproject.toml's requires-python; a test compares them
# What decides how the tasks speak to Azure and what a model is made of; the rest follows from the lock.
WATCHED = ("azure-ai-ml", "azure-identity", "invoke", "scikit-learn", "skl2onnx", "onnxruntime")


def strayed(root: Path) -> list[str]:
    """Return what differs from the lock, a sentence each; none when all is as locked.

    A checkout without requirements.txt has no lock to differ from.
    """
    here = sys.version_info[:2]
    found = [] if PYTHONS[0] <= here <= PYTHONS[1] else [f"Python {here[0]}.{here[1]} is not one of 3.11 to 3.13"]
    lock = root / "requirements.txt"
    if not lock.exists():
        return found
    locked = pins(lock.read_text())
    declared = yaml.safe_load((root / "environment.yml").read_text())["dependencies"]
    remote = pins("\n".join(line for part in declared if isinstance(part, dict) for line in part["pip"]))
    found += [
        f"{name} {_installed(name)} is installed, {_either(locked[name])} is locked"
        for name in WATCHED
        if name in locked and _installed(name) not in locked[name]
    ]
    found += [
        f"environment.yml has {name} {_either(pinned)}, the lock {_either(locked.get(name, set()))}"
        for name, pinned in remote.items()
        if not pinned & locked.get(name, set())
    ]
    return found


def pins(text: str) -> dict[str, set[str]]:
    r"""Return the versions of each package that is pinned, as in a line `name==1.2 ; marker`; more than one by marker.

    >>> pins("a-b==1.2 \\\n    --hash=sha256:0\nc==3 ; python_version < '3.12'\n")
    {'a-b': {'1.2'}, 'c': {'3'}}
    """
    found: dict[str, set[str]] = {}
    for line in re.finditer(r"^([\w.-]+)==([^\s;\\]+)", text, re.MULTILINE):
        found.setdefault(line[1].lower(), set()).add(line[2])
    return found


def _either(versions: set[str]) -> str:
    return " or ".join(sorted(versions)) or "none"


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "nothing"
