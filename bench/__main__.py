"""All benches, one after the other: `PYTHONPATH=src python -m bench [--quick] [--only PART] [--peers FOLDER]`.

A part that fails is said, in the page too, and the others go on. A quick run writes nothing. With `--only` the part's
figures take the places of those of the same names in the list, of which the page is made; what the page says of the
whole run stays. Exit code 0, whatever the aims: a report.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from bench.figures import Figure, machine, put
from bench.parts import (
    catalog,
    command_line,
    demo,
    detection,
    models,
    rival_servers,
    routing,
    scale,
    scoring,
    servers,
    training,
)
from bench.report import draw, page
from bench.tools import stage

DOCS = stage.ROOT / "docs"
FRONTS = ("haproxy", "nginx")


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="measure less, some two minutes, and write nothing")
    parser.add_argument("--peers", type=Path, default=Path("none"), help="folder of the other servers' environments")
    parser.add_argument("--only", metavar="PART", help="one part")
    options = parser.parse_args(argv)
    quick: bool = options.quick
    said: list[str] = []
    parts: dict[str, Callable[[Path], list[Figure]]] = {
        "scoring": lambda folder: scoring.measure(folder, quick),
        "models": lambda folder: models.measure(folder, quick),
        "servers": lambda folder: servers.measure(folder, quick),
        "rival_servers": lambda folder: rival_servers.measure(folder, quick, options.peers.resolve(), said),
        "routing": lambda folder: routing.measure(folder, quick),
        "command_line": lambda folder: command_line.measure(folder, quick),
        "demo": lambda folder: demo.measure(folder, quick),
        "training": lambda folder: training.measure(folder, quick),
        "catalog": lambda folder: catalog.measure(folder, quick),
        "scale": lambda folder: scale.measure(folder, quick),
        "detection": lambda folder: detection.measure(10 if quick else 1),
    }
    if options.only and options.only not in parts:
        parser.error(f"there is no part {options.only}: {', '.join(parts)}")
    print(machine())
    figures: list[Figure] = []
    seconds: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        for name, measure in parts.items():
            if options.only not in (None, name):
                continue
            began = time.perf_counter()
            try:
                found = measure(Path(folder))
            except Exception as error:  # whatever a part raises, the others are still worth having
                traceback.print_exc()
                reason = str(error).splitlines()[0] if str(error) else ""
                said.append(f"Not measured: {name}: {type(error).__name__}: {reason}")
                continue
            finally:
                seconds[name] = time.perf_counter() - began
            figures += found
            print(f"\n{name}, {seconds[name]:.0f} s", flush=True)
            for figure in found:
                held = ("holds " if figure.holds else "MISSED") if figure.is_aimed else "      "
                print(f"  {held} {figure.ratio:8.2f}  {figure.value:10.4g} / {figure.reference:10.4g}  {figure.name}")
    if options.only in (None, "routing"):
        said += [f"Not measured: {name}: it is not on this machine." for name in FRONTS if not routing.found(name)]
    aimed = [figure.holds for figure in figures if figure.is_aimed]
    print(f"\n{sum(aimed)} of {len(aimed)} aims hold, {sum(seconds.values()):.0f} s: ", end="")
    print(", ".join(f"{name} {lasted:.0f}" for name, lasted in seconds.items()))
    for text in said:
        print(text)
    if not quick:
        list_file = DOCS / "benchmarks.json"
        if options.only:
            figures = put(list_file, figures)
        else:
            list_file.write_text(json.dumps([asdict(figure) for figure in figures], indent=1) + "\n")
        written = DOCS / "benchmarks.md"
        before = written.read_text() if options.only and written.exists() else ""
        written.write_text(page(figures, said, seconds, before))
        draw(figures, DOCS / "benchmarks.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
