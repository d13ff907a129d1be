"""Do time and memory of training grow no faster than the rows? `PYTHONPATH=src python -m bench.training`.

The year's 327,000 flights, and ten times as many drawn from them with replacement, each trained by train.py in a
process of its own, with both models: seconds, and the most memory that the process held. A quick run leaves it out: on
few rows the imports are all that is seen.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
from bench import stage
from bench.figures import Figure, at_most

TIMES = 10


def grown(folder: Path) -> tuple[dict[str, Path], int]:
    """Write both folders of CSV once; return them, and the rows of the smaller one."""
    files = sorted((stage.ROOT / "data").glob("*/2013-??.csv.gz"))
    frame = pd.concat([pd.read_csv(file) for file in files], ignore_index=True)
    places = {"small": folder / "rows-small", "large": folder / "rows-large"}
    for place in places.values():
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
    frame.to_csv(places["small"] / "0.csv", index=False)
    header, *lines = (places["small"] / "0.csv").read_text().splitlines(keepends=True)
    for part in range(TIMES):
        drawn = random.Random(part).choices(lines, k=len(lines))
        (places["large"] / f"{part}.csv").write_text(header + "".join(drawn))
    return places, len(lines)


def train(data: Path, kind: str, output: Path) -> tuple[float, float]:
    """Train in a process of its own; return seconds and the peak of its memory in MB."""
    started = time.perf_counter()
    process = subprocess.Popen(stage.training(output, kind, data), stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise RuntimeError(f"training {kind} on {data.name} failed")
    # Kilobytes, on macOS bytes.
    return time.perf_counter() - started, used.ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def measure(folder: Path, quick: bool) -> list[Figure]:
    """Measure both models on both sizes; the reference is ten times the smaller size's figure."""
    if quick:
        return []
    places, rows = grown(folder)
    figures = []
    for kind in ("logistic", "boosted"):
        small = train(places["small"], kind, folder / "grown")
        large = train(places["large"], kind, folder / "grown")
        of = f"training, {kind}, {rows * TIMES:,} rows: beside {TIMES} times {rows:,}"
        for at, what in ((0, "s"), (1, "MB")):
            figures.append(at_most(f"{of}, {what}", large[at], small[at] * TIMES, 1.0))
    for place in places.values():
        shutil.rmtree(place)
    return figures
