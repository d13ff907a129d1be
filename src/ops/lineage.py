"""Where a model and a deployment come from: fingerprints, the git commit, and the tags that keep them.

Tags are the only memory that Azure, a laptop and a runner share; every name of one stands here, and how tags, names and
the time of making are read off any resource.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

STAGE = "stage"  # of a job: dev or prod
FINGERPRINT = "fingerprint"  # of a job: its code, what it is told, and its environment
FORCED = "forced"  # which gate was overridden, where one was
DATA = "data_fingerprint"  # fingerprint of the rows that a model learned from
ROWS, FIRST, LAST = "data.rows", "data.first", "data.last"  # of a model: their number, first and last time
GIT = "git_commit"
JOB = "job"  # of a model: the job that made it
METRIC = "metric."  # of a model: one tag a metric
HOLDOUT = "holdout"  # of a model: fingerprint of the rows it was measured on
LIBRARY = "library."  # of a model: one tag a library
ALGORITHM = "algorithm"  # of a model: the name of its pipeline
SERVED = "served"  # of a model: the file that answers requests
MODEL = "model"  # of a deployment: name:version
CODE = "code"  # of a deployment: fingerprint of the scoring code and its environment
DEPLOYED = "deployed_at"  # of a deployment: ISO time in UTC
ROLLED_BACK = "rolled_back"  # of an endpoint: which deployment, and why
ROLLOUT = "rollout"  # of an endpoint: where the last rollout stands
EVIDENCE = "evidence."  # of an endpoint: one tag a metric, what that rollout has seen
TRAIL = "trail"  # of an endpoint: how that rollout came there; with ".METRIC", one tag a metric
LEASE = "lease"  # of an endpoint: who rolls out, and until when
OUTCOME = "rollout."  # of a model: one tag a rollout, by its time in UTC, that says how it ended

TAG_CHARACTERS = 256  # of a tag's value: Azure keeps no more

# Made by tools beside the code, and no part of it. The SDK's own ignore files are honoured when it uploads.
_NOT_CODE = {"__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".ipynb_checkpoints", ".DS_Store"}


def fingerprint(*parts: Path | Mapping[str, object]) -> str:
    """Return 16 hex digits that change when a file below a folder, a file, or a mapping among `parts` changes.

    Names and contents count; times, owners and the folder's own place do not.
    """
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, Path):
            for file in _files(part):
                name = file.relative_to(part).as_posix() if part.is_dir() else file.name
                digest.update(f"{name}\0{file.stat().st_size}\0".encode())
                digest.update(file.read_bytes())
        else:
            digest.update(json.dumps(part, sort_keys=True, default=str).encode())
        digest.update(b"\0\0")
    return digest.hexdigest()[:16]


def _files(place: Path) -> list[Path]:
    if place.is_file():
        return [place]
    found = (file for file in place.rglob("*") if file.is_file() and file.suffix != ".pyc")
    return sorted(file for file in found if not _NOT_CODE.intersection(file.relative_to(place).parts))


def tags_of(resource: Any) -> dict[str, str]:
    """Return a resource's tags; the SDK has None for none."""
    return resource.tags or {}


def created(resource: Any) -> datetime | None:
    """Return when a job or a model was made, None where the workspace does not say."""
    context = resource.creation_context
    return context.created_at if context else None


def is_name(text: str) -> bool:
    """Return whether the workspace can take it for a name; an address made of another, as ../x, is another thing's."""
    return re.fullmatch(r"\w[\w.-]*", text, re.ASCII) is not None


def cut(text: str) -> str:
    """Return as much of a text as a tag's value holds."""
    return text[:TAG_CHARACTERS]


def git_commit(folder: Path) -> str:
    """Return the commit that `folder` stands at, with "+changes" when files differ from it; "none" outside git."""
    commit = git(folder, "rev-parse", "HEAD")
    if not commit:
        return "none"
    return commit + ("+changes" if git(folder, "status", "--porcelain", "--", ".") else "")


def git(folder: Path, *words: str) -> str:
    """Return what git says; "" where it says nothing, fails, or is not there."""
    try:
        done = subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
