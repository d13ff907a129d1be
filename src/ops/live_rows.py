"""The rows of data/live as scoring requests: what probes and the demo's clients send."""

from __future__ import annotations

import csv
import gzip
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ops.errors import UsageError

Cell = str | int | float | bool | None


def columns_of(sample: Path) -> dict[str, type]:
    """Return the columns of a request and the type of each, as the sample request shows them."""
    try:
        given = json.loads(sample.read_text())["input_data"]
        rows = (
            [dict(zip(given["columns"], row, strict=True)) for row in given["data"]]
            if isinstance(given, dict)
            else given
        )
        first = dict(rows[0])
    except (OSError, ValueError, KeyError, IndexError, TypeError) as fault:
        raise UsageError(f'{sample}: not a sample request ({{"input_data": ...}}): {fault}') from None
    for row in rows:
        first.update({name: value for name, value in row.items() if first.get(name) is None})
    return {name: type(value) for name, value in first.items()}


def read(folder: Path, sample: Path, limit: int, seed: int = 0) -> list[list[Cell]]:
    """Return `limit` rows drawn evenly from every CSV file of `folder`, with the sample's columns and types only.

    Fewer rows than that are all returned. An empty cell is a missing value (None). The same seed draws the same rows.
    Raises UsageError when a column of the sample is not in a file.
    """
    columns = columns_of(sample)
    chance = random.Random(seed)
    kept: list[list[str]] = []
    # A reservoir: each row has the same chance to stay, without knowing how many there are.
    for seen, row in enumerate(_rows(folder, list(columns))):
        if seen < limit:
            kept.append(row)
        elif (place := chance.randrange(seen + 1)) < limit:
            kept[place] = row
    return [[_cell(text, kind) for text, kind in zip(row, columns.values(), strict=True)] for row in kept]


def _rows(folder: Path, columns: list[str]) -> Iterator[list[str]]:
    files = sorted(folder.glob("*.csv")) + sorted(folder.glob("*.csv.gz"))
    if not files:
        raise UsageError(f"{folder} holds no CSV files")
    for file in files:
        with gzip.open(file, "rt", newline="") if file.suffix == ".gz" else file.open(newline="") as lines:
            reader = csv.reader(lines)
            header = next(reader, [])
            missing = [name for name in columns if name not in header]
            if missing:
                raise UsageError(f"{file} has no column {', '.join(missing)}, which the sample request has")
            places = [header.index(name) for name in columns]
            yield from ([row[place] for place in places] for row in reader if row)


def _cell(text: str, kind: type) -> Cell:
    if text == "":
        return None
    if kind is bool:
        return text.strip().lower() in ("true", "1", "yes")
    if kind in (int, float):
        number = float(text)
        return int(number) if number.is_integer() else number
    return text


def request(sample: Path, rows: list[list[Cell]]) -> dict[str, Any]:
    """Return the body of a request for these rows."""
    return {"input_data": {"columns": list(columns_of(sample)), "data": rows}}


def sampled(rows: list[list[Cell]], count: int, seed: int | None = None) -> list[list[Cell]]:
    """Return `count` rows drawn at random, with repeats when there are fewer."""
    return random.Random(seed).choices(rows, k=count)
