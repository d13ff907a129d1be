"""A folder of CSV files, read as one frame of rows. Every fault is a DataError that names the file.

Column kinds: `number` (integers and decimals), `boolean` (true and false, in any case), `text` (all else), and
`missing` where no row has a value. A column that is a number in one file and text in another is text. Missing
cells are what pandas takes for missing: empty, NA, NaN, null and a few more.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import warnings
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from errors import DataError

SHOWN = 8


@dataclass(frozen=True)
class Rows:
    """A folder as read: the raw frame and where it came from. `fingerprint` is sha256 over the files' text.

    `mixed` names the columns that are of one kind in one file and of another in another.
    """

    frame: pd.DataFrame
    kinds: dict[str, str]
    folder: Path
    files: tuple[str, ...]
    fingerprint: str
    mixed: tuple[str, ...] = ()


def read_folder(folder: Path, texts: Iterable[str] = ()) -> Rows:
    """Read every .csv and .csv.gz of a folder (not of folders below it), in order of name, as one frame.

    The columns named in `texts` are read as they are written: in another folder their cells may all look like numbers.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder")
    paths = sorted(
        path
        for path in folder.iterdir()
        if path.is_file() and path.name.endswith((".csv", ".csv.gz")) and not path.name.startswith(".")
    )
    if not paths:
        raise DataError(f"{folder}: holds no .csv or .csv.gz file")
    types = dict.fromkeys(texts, "str")
    digest = hashlib.sha256()
    frames = {}
    for path in paths:
        # One text at a time: all of them would take as much memory again as the rows.
        text = _text(path)
        digest.update(text)
        frames[path.name] = _parse(path.name, text, types)
    _same_columns(frames)
    kinds, unequal = _kinds(frames)
    if unequal:
        frames = {path.name: _parse(path.name, _text(path), types | dict.fromkeys(unequal, "str")) for path in paths}
    order = list(next(iter(frames.values())).columns)
    # A header without rows has columns of no type, which would become that of all.
    parts = [part[order] for part in frames.values() if len(part)] or [next(iter(frames.values()))]
    frame = pd.concat(parts, ignore_index=True)
    return Rows(frame, kinds, folder, tuple(frames), digest.hexdigest(), tuple(unequal))


def listed(names: Iterable[object]) -> str:
    """Write names with commas between, the first few of many, in quotes where blanks or commas would mislead."""
    texts = [text if text == text.strip() and "," not in text else repr(text) for text in map(str, names)]
    return ", ".join(texts[:SHOWN]) + (f" and {len(texts) - SHOWN} more" if len(texts) > SHOWN else "")


def _text(path: Path) -> bytes:
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if path.name.endswith(".gz") else content
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path.name}: cannot be read: {error}") from error


def _parse(name: str, text: bytes, types: dict[str, str] | None = None) -> pd.DataFrame:
    """Parse one file, refusing what pandas would mend in silence: repeated names and rows of another length."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            header = pd.read_csv(io.BytesIO(text), header=None, nrows=1, dtype=str, encoding="utf-8-sig")
            frame = pd.read_csv(io.BytesIO(text), dtype=types, index_col=False, low_memory=False, encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{name}: is not UTF-8 text: {error}") from error
    except (ValueError, pd.errors.ParserError, pd.errors.ParserWarning) as error:
        raise DataError(f"{name}: is not a CSV file with a header: {str(error).strip()}") from error
    names = header.iloc[0]
    if len(names) == 1 and ";" in str(names[0]):
        raise DataError(f"{name}: has one column, {names[0]!r}: its cells must have commas between them")
    if names.isna().any():
        raise DataError(f"{name}: column {int(np.argmax(names.isna())) + 1} has no name")
    if names.duplicated().any():
        raise DataError(f"{name}: column {names[names.duplicated()].iloc[0]!r} occurs twice")
    return frame


def _same_columns(frames: dict[str, pd.DataFrame]) -> None:
    first, *others = frames
    for name in others:
        absent = [column for column in frames[first] if column not in frames[name]]
        extra = [column for column in frames[name] if column not in frames[first]]
        if absent or extra:
            fault = f"lacks {listed(absent)}" if absent else f"has {listed(extra)} too"
            raise DataError(f"{name}: its columns differ from those of {first}: it {fault}")


def _kinds(frames: dict[str, pd.DataFrame]) -> tuple[dict[str, str], list[str]]:
    """Name each column's kind over all files, and the columns whose files disagree."""
    kinds: dict[str, str] = {}
    unequal = []
    for column in map(str, next(iter(frames.values()))):
        found = {_kind(frame[column]) for frame in frames.values()} - {"missing"}
        if len(found) > 1:
            unequal.append(column)
        kinds[column] = "text" if len(found) > 1 else next(iter(found), "missing")
    return kinds, unequal


def _kind(series: pd.Series[Any]) -> str:
    if series.isna().all():
        return "missing"
    if pd.api.types.is_bool_dtype(series.dtype) or set(map(type, series.dropna().head(1000))) == {bool}:
        return "boolean"
    return "number" if pd.api.types.is_numeric_dtype(series.dtype) else "text"
