"""The CSV files of the data folders, and their rows as scoring requests: what probes and the demo's clients send."""

from __future__ import annotations

import csv
import gzip
import json
import math
import random
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path

from ops.errors import UsageError

# Training reads a cell of any length; csv takes 128 KiB by default.
csv.field_size_limit(1 << 30)
Cell = str | int | float | bool | None
# What training takes for a missing cell: the words of pandas.read_csv, which no task should have to load.
MISSING = frozenset({
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA",
    "NULL", "NaN", "None", "n/a", "nan", "null",
})  # fmt: skip


def columns_of(sample: Path) -> dict[str, type]:
    """Return the columns of a request and the type of each, as the sample request shows them.

    Raises UsageError when it is no request, or null in every row of a column, which has no type then.
    """
    try:
        given = json.loads(sample.read_text(encoding="utf-8"))["input_data"]
        rows = (
            [dict(zip(given["columns"], row, strict=True)) for row in given["data"]]
            if isinstance(given, dict)
            else given
        )
        first = dict(rows[0])
        for row in rows:
            first.update({name: value for name, value in row.items() if first.get(name) is None})
    except (OSError, ValueError, KeyError, IndexError, TypeError, AttributeError) as fault:
        raise UsageError(f'{sample}: not a sample request ({{"input_data": ...}}): {fault}') from None
    unknown = [name for name, value in first.items() if value is None]
    if unknown:
        raise UsageError(f"{sample}: {', '.join(unknown)} is null in every row: one of them must show what it holds")
    return {name: type(value) for name, value in first.items()}


def read(folder: Path, sample: Path, limit: int, seed: int = 0) -> list[list[Cell]]:
    """Return `limit` rows drawn evenly from every CSV file of `folder`, with the sample's columns and types only.

    Fewer rows than that are all returned. What training takes for missing is None, infinite numbers too. The same seed
    draws the same rows. Raises UsageError for a file that cannot be read or lacks a column of the sample, and for text
    in a column of numbers.
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
    return [[_cell(text, *column) for text, column in zip(row, columns.items(), strict=True)] for row in kept]


def check_sample(sample: Path, folder: Path, unlearned: Collection[str]) -> None:
    """Raise UsageError unless the sample request has the columns that a model of `folder` will ask for.

    Where one of the `unlearned` is no column at all, training says so, and the sample is not judged.
    """
    shown = columns_of(sample)
    for file in csv_files(folder)[:1]:
        header = next(_lines(file), [])
        if not set(unlearned) <= set(header):
            return
        learned = [name for name in header if name not in unlearned]
        faults = [f"lacks {name}" for name in learned if name not in shown]
        faults += [f"has {name}" for name in shown if name not in learned]
        if faults:
            raise UsageError(f"{sample} must have the columns learned from {file.name}: it {', '.join(faults)}")


def csv_files(folder: Path) -> list[Path]:
    """Return the files that training reads of a folder, in order of name; none when there is no folder."""
    found = (file for file in folder.glob("*") if file.name.endswith((".csv", ".csv.gz")) and file.name[0] != ".")
    return sorted(file for file in found if file.is_file())


def _rows(folder: Path, columns: list[str]) -> Iterator[list[str]]:
    files = csv_files(folder)
    if not files:
        raise UsageError(f"{folder} holds no CSV files")
    for file in files:
        lines = _lines(file)
        header = next(lines, [])
        missing = [name for name in columns if name not in header]
        if missing:
            raise UsageError(f"{file} has no column {', '.join(missing)}, which the sample request has")
        places = [header.index(name) for name in columns]
        # A row may end early, as training reads it too: what it lacks is missing.
        yield from ([row[place] if place < len(row) else "" for place in places] for row in lines if row)


def _lines(file: Path) -> Iterator[list[str]]:
    opened = gzip.open if file.suffix == ".gz" else open
    try:
        with opened(file, "rt", newline="", encoding="utf-8-sig") as text:
            yield from csv.reader(text)
    except (OSError, EOFError, zlib.error, UnicodeError, csv.Error) as fault:
        raise UsageError(f"{file} cannot be read: {fault}") from None


def _cell(text: str, name: str, kind: type) -> Cell:
    if text in MISSING:
        return None
    if kind is bool:
        return text.strip().lower() in ("true", "1", "yes")
    if kind in (int, float):
        try:
            number = float(text)
        except ValueError:
            raise UsageError(f"column {name} of the live rows holds {text!r}, the sample request a number") from None
        if not math.isfinite(number):
            return None  # JSON has no such number
        return int(number) if number.is_integer() else number
    return text


def request(columns: Collection[str], rows: list[list[Cell]]) -> str:
    """Return the body of a request for these rows."""
    return json.dumps({"input_data": {"columns": list(columns), "data": rows}})
