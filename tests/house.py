"""A checkout of the project in a folder of its own, with little data, so that a test can train, deploy and break it."""

from __future__ import annotations

import csv
import gzip
import itertools
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
COPIED = ("azureml", "src", "demo", "environment.yml", "invoke.yaml", "tasks.py")


@dataclass
class House:
    """The checkout, and what came of running its tasks."""

    root: Path
    said: list[str] = field(default_factory=list)

    def inv(
        self, *words: str, stdin: str = "", patience: float = 170, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run `inv` with these words, as a user would in the checkout, for at most `patience` seconds."""
        return subprocess.run(
            [sys.executable, "-m", "invoke", *words],
            cwd=self.root,
            env=environment(variables),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=patience,
            check=False,
        )

    def settings(self) -> dict[str, Any]:
        """Return invoke.yaml as it is in the checkout."""
        found: dict[str, Any] = yaml.safe_load((self.root / "invoke.yaml").read_text())
        return found

    def set(self, **sections: Mapping[str, Any]) -> None:
        """Change settings in the checkout's invoke.yaml."""
        values = self.settings()
        for name, section in sections.items():
            values[name] = {**values[name], **section}
        (self.root / "invoke.yaml").write_text(yaml.safe_dump(values))

    def tape(self) -> Path:
        """Have the workspace, which is not up yet, write down what is said to it; return the file."""
        file = self.root / ".workspace/exchanges.jsonl"
        file.parent.mkdir(mode=0o700)
        file.touch()
        return file


@contextmanager
def same_environment() -> Iterator[None]:
    """Leave this process's environment as it was: a client names its workspace's certificate there."""
    before = dict(os.environ)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def environment(variables: Mapping[str, str] = {}) -> dict[str, str]:
    """Return this process's environment without what would steer a task, and with `variables`."""
    inherited = {
        key: value for key, value in os.environ.items() if not key.startswith(("INVOKE_", "GITHUB_", "AZUREML_"))
    }
    inherited.pop("REQUESTS_CA_BUNDLE", None)
    # Most machines do not set it, and what is still to be written when a task ends is then another matter.
    inherited.pop("PYTHONUNBUFFERED", None)
    return {**inherited, **variables}


def build(root: Path) -> House:
    """Copy the project to `root` with some hundred rows of each month of data."""
    root.mkdir(parents=True, exist_ok=True)
    for name in COPIED:
        place = ROOT / name
        if place.is_dir():
            shutil.copytree(place, root / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(place, root)
    for stage, most in (("dev", 1500), ("prod", 600), ("live", 400)):
        (root / "data" / stage).mkdir(parents=True)
        for file in sorted((ROOT / "data" / stage).glob("*.csv.gz")):
            _thin(file, root / "data" / stage / file.name, most)
    house = House(root)
    # A margin of 5 % is shown by a sixth of the pairs that 1 % takes; the probes go as fast as they can.
    quick = {"bake_seconds": 0.2, "min_requests": 25, "probes_per_second": 200, "margin": 0.05}
    # How long a step lasts is for each test to say.
    house.set(rollout=quick, wait={"job_minutes": 2, "operation_minutes": 2}, local={"bake_seconds": 3600.0})
    return house


def _thin(source: Path, target: Path, most: int) -> None:
    """Copy the header and `most` rows, spread over the whole file."""
    with gzip.open(source, "rt", newline="") as lines:
        header, *rows = list(csv.reader(lines))
    step = max(len(rows) // most, 1)
    with gzip.open(target, "wt", newline="") as out:
        csv.writer(out).writerows([header, *itertools.islice(rows, 0, most * step, step)])
