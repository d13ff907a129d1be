"""A rollout as the endpoint's tags tell it. Pure.

Whoever rolls out keeps its memory there, in the form that docs/studio.md gives: `rollout` has what is rolled out, the
step and how it stands; `trail` when each step began; `trail.METRIC` both tests over time. A tag that is missing, or
not understood, shows nothing; it never fails the page.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from local.storage.store import Document
from local.wire.call import Json

_TENTHS = 10.0  # of a nat: how a trail keeps log E


def read(tags: Mapping[str, str]) -> Json | None:
    """Return the last rollout that the endpoint remembers, or None."""
    # Null is a tag, too, that anybody can set.
    tags = {name: text for name, text in tags.items() if isinstance(text, str)}
    try:
        identity, _, step, begun, watched, status, _ = json.loads(tags.get("rollout", ""))
        found: Json = {
            "identity": str(identity),
            "new": str(identity).partition(" of ")[0],
            "step": int(step),
            "begun": str(begun),
            "watched": _finite(watched),
            "status": str(status),
        }
    except (ValueError, TypeError, OverflowError):
        return None
    curves = {name.removeprefix("trail."): _curve(text) for name, text in tags.items() if name.startswith("trail.")}
    counts = {name.removeprefix("evidence."): _counts(text) for name, text in tags.items() if name[:9] == "evidence."}
    found["steps"], found["ahead"] = _steps(tags.get("trail", ""))
    found["curves"] = {name: curve for name, curve in sorted(curves.items()) if curve}
    found["counts"] = {name: four for name, four in sorted(counts.items()) if four}
    found["held"] = bool(tags.get("lease"))
    return found


def _steps(text: str) -> tuple[list[list[float]], list[int]]:
    """Return [seconds since the rollout began, percent] of each step, and the percents of those to come."""
    try:
        marks = [each.split(":") for each in text.split()]
        return [[_finite(at), int(percent)] for at, percent in marks if at], [int(each) for at, each in marks if not at]
    except ValueError:
        return [], []


def _curve(text: str) -> Json | None:
    """Return what each test needs, and [seconds, log E of harm, of safety or None] of each point."""
    try:
        harm, safety, *points = text.split()
        read_points = [[_finite(number) if number else None for number in each.split(",")] for each in points]
        return {
            "harm_threshold": _finite(harm),
            "safety_threshold": _finite(safety) or None,
            "points": [
                [at, _nats(tests[0]), _nats(tests[1] if len(tests) > 1 else None)] for at, *tests in read_points
            ],
        }
    except (ValueError, IndexError):
        return None


def _finite(value: Any) -> float:
    """Return the number; ValueError for one that JSON has no word for, as for what is none."""
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{value} is not finite")
    return number


def _nats(value: float | None) -> float | None:
    return None if value is None else value / _TENTHS


def _counts(text: str) -> list[int] | None:
    """Return requests and bad ones of the old, then of the new deployment."""
    try:
        four = [int(number) for number in json.loads(text)[1]]
    except (ValueError, TypeError, IndexError, KeyError, OverflowError):
        return None
    return four if len(four) == 4 else None


def by_age(deployments: Sequence[Document]) -> list[Document]:
    """Return the deployments, the one deployed last at the end: that one is the new one."""
    return sorted(deployments, key=lambda each: (_deployed_at(each), each.body["name"]))


def identity(deployment: Document) -> str:
    """Return what tells this deployment from an earlier one of its name."""
    return f"{deployment.body['name']} of {_deployed_at(deployment)}"


def _deployed_at(deployment: Document) -> str:
    return str(deployment.body["tags"].get("deployed_at", ""))


def history(models: Sequence[Document]) -> list[Json]:
    """Return how each rollout ended, the last one first, from the tags of the models."""
    found = [
        {"at": key.removeprefix("rollout."), "model": f"{each.name}:{each.version}", "outcome": str(outcome)}
        for each in models
        for key, outcome in (each.body["properties"].get("tags") or {}).items()
        if key.startswith("rollout.")
    ]
    return sorted(found, key=lambda each: each["at"], reverse=True)
