"""Rows checked and shaped for training.

`prepare` turns the rows of a folder into a `Dataset`, and `matching` shapes another folder's rows by the columns
of the first. Every fault is a DataError or a TargetError that names the column and the way out.

An infinite number counts as missing: a JSON request could not send one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from errors import DataError, TargetError
from folder import Rows, listed

LEAST_ROWS = 50
LEAST_ROWS_OF_A_CLASS = 10


@dataclass(frozen=True)
class Column:
    """One feature as a request must send it; `nullable` is true when the training rows lack it somewhere."""

    name: str
    type: str
    nullable: bool


@dataclass(frozen=True)
class Labels:
    """The answers of the model, in the target's own values (a bool, int, float or str)."""

    positive: bool | int | float | str
    negative: bool | int | float | str


@dataclass(frozen=True)
class Dataset:
    """Rows to train on.

    `features` holds the numbers (float32) first and the texts (str, "" where missing) after them; `columns` is
    in the order of the files. `target` is 1 for the positive class. With a time column the rows are in time
    order, and `first` and `last` are its ends.
    """

    features: pd.DataFrame
    target: NDArray[np.int64]
    columns: tuple[Column, ...]
    labels: Labels
    files: tuple[str, ...]
    fingerprint: str
    unlabelled: int
    first: str | None
    last: str | None

    @property
    def numbers(self) -> int:
        """How many of the features, from the left, are numbers or booleans."""
        return sum(column.type != "text" for column in self.columns)


def prepare(rows: Rows, target: str, positive: str, drop: list[str], time_column: str | None) -> Dataset:
    """Check the rows and shape them for training."""
    frame = rows.frame
    named = [name for name in (*drop, *([time_column] if time_column else [])) if name not in frame]
    if target not in frame:
        raise TargetError(f"target column {target!r} is not in {rows.folder}; its columns are {listed(frame.columns)}")
    if named:
        raise DataError(
            f"{'time' if named == [time_column] else 'dropped'} column {named[0]!r} is not in {rows.folder}; "
            f"its columns are {listed(frame.columns)}"
        )
    if target in drop or target == time_column:
        raise TargetError(f"target column {target!r} cannot be dropped or be the time column too")
    labelled = _labelled(rows, target)
    frame = frame[labelled].reset_index(drop=True)
    if len(frame) < LEAST_ROWS:
        raise DataError(f"{rows.folder}: {len(frame)} rows with a target are too few; at least {LEAST_ROWS} are needed")
    first = last = None
    if time_column:
        frame, first, last = _in_time_order(frame, time_column)
    mask, labels = _classes(frame[target], rows.kinds[target], positive, target)
    names = [str(name) for name in frame if name not in {target, time_column, *drop}]
    if not names:
        raise DataError(f"{rows.folder}: no column is left to learn from")
    features, columns = _features(frame, names, rows.kinds)
    return Dataset(features, mask, columns, labels, rows.files, rows.fingerprint, int((~labelled).sum()), first, last)


def matching(rows: Rows, like: Dataset, target: str, positive: str) -> tuple[pd.DataFrame, NDArray[np.int64]]:
    """Shape another folder's rows by the columns of `like`: its features and its target.

    Columns that `like` does not use are ignored. Raise DataError where a column is missing or of another type.
    """
    for column in like.columns:
        if column.name not in rows.frame:
            raise DataError(f"{rows.folder}: column {column.name!r} of the training data is missing")
        kind = rows.kinds[column.name]
        if kind not in (column.type, "missing") and column.type != "text":
            raise DataError(f"{rows.folder}: column {column.name!r} is {kind}, in the training data {column.type}")
    if target not in rows.frame:
        raise TargetError(f"target column {target!r} is not in {rows.folder}")
    frame = rows.frame[_labelled(rows, target)].reset_index(drop=True)
    mask, _ = _classes(frame[target], rows.kinds[target], positive, target)
    kinds = {column.name: column.type for column in like.columns}
    ordered = [*(n for n, k in kinds.items() if k != "text"), *(n for n, k in kinds.items() if k == "text")]
    return pd.DataFrame({name: _shaped(frame[name], kinds[name]) for name in ordered}), mask


def _labelled(rows: Rows, target: str) -> pd.Series[bool]:
    """Tell the rows that have a target from those that do not; raise TargetError for one of two kinds."""
    if target in rows.mixed:
        raise TargetError(
            f"{rows.folder}: target column {target!r} is of another kind in one file than in others: spell it alike"
        )
    return rows.frame[target].notna() & ~rows.frame[target].isin([np.inf, -np.inf])


def _in_time_order(frame: pd.DataFrame, name: str) -> tuple[pd.DataFrame, str, str]:
    column = frame[name]
    if column.isna().any():
        raise DataError(f"time column {name!r} is missing in {int(column.isna().sum())} rows")
    when = column
    if not pd.api.types.is_numeric_dtype(column.dtype):
        try:
            # Without the zone, of which all have the same one now: with it, numpy would sort objects one by one.
            when = pd.to_datetime(column, format="ISO8601", utc=True).dt.tz_localize(None)
        except ValueError as error:
            raise DataError(f"time column {name!r} is not in ISO 8601 form (2013-01-31T05:15): {error}") from error
    order = np.argsort(when.to_numpy(), kind="stable")
    ordered = frame.iloc[order].reset_index(drop=True)
    return ordered, str(ordered[name].iloc[0]), str(ordered[name].iloc[-1])


def _classes(column: pd.Series[Any], kind: str, positive: str, target: str) -> tuple[NDArray[np.int64], Labels]:
    """Find the positive rows. A number matches by value ("1" is 1.0 and "true"), a text as it is written."""
    values = column.drop_duplicates().tolist()
    found = [value for value in values if _equals(value, kind, positive)]
    if not found:
        raise TargetError(f"target {target!r} is never {positive!r}; it takes {listed(sorted(map(str, values)))}")
    others = [value for value in values if value not in found]
    if not others:
        raise TargetError(f"target {target!r} is {positive!r} in every row: there is nothing to tell apart")
    mask = column.isin(found).to_numpy().astype(np.int64)
    fewest = int(min(mask.sum(), len(mask) - mask.sum()))
    if fewest < LEAST_ROWS_OF_A_CLASS:
        raise TargetError(
            f"target {target!r}: a class has {fewest} rows only; at least {LEAST_ROWS_OF_A_CLASS} are needed"
        )
    negative = _plain(others[0]) if len(others) == 1 else f"not {positive}"
    return mask, Labels(_plain(found[0]), negative)


def _equals(value: object, kind: str, positive: str) -> bool:
    if kind == "text":
        return str(value) == positive
    try:
        wanted = {"true": 1.0, "false": 0.0}.get(positive.strip().lower())
        if isinstance(value, int | np.integer) and positive.strip().lstrip("+-").isdigit():
            # Numbers of more than 53 bits, as identifiers are, would be equal to their neighbours.
            return int(value) == int(positive)
        return float(value) == (float(positive) if wanted is None else wanted)  # type: ignore[arg-type]
    except ValueError:
        return False


def _plain(value: object) -> bool | int | float | str:
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        number = float(value)
        return int(number) if number.is_integer() else number
    return str(value)


def _features(frame: pd.DataFrame, names: list[str], kinds: dict[str, str]) -> tuple[pd.DataFrame, tuple[Column, ...]]:
    columns = []
    shaped = {}
    for name in names:
        if frame[name].isna().all():
            raise DataError(f"column {name!r} is missing in every row: drop it by name")
        values = _shaped(frame[name], kinds[name])
        missing = values.isna() if kinds[name] != "text" else values == ""
        if missing.all():
            raise DataError(f"column {name!r} is missing in every row: drop it by name")
        if kinds[name] == "text" and values[values != ""].value_counts().iloc[0] < category_floor(len(frame)):
            example = str(values[values != ""].iloc[0])[:40]
            raise DataError(
                f"column {name!r} has another text in nearly every row, as {example!r}: drop an identifier or a time "
                "by name; write a number without separators"
            )
        shaped[name] = values
        columns.append(Column(name, kinds[name], bool(missing.any())))
    ordered = sorted(shaped, key=lambda name: kinds[name] == "text")
    return pd.DataFrame({name: shaped[name] for name in ordered}), tuple(columns)


def category_floor(rows: int) -> int:
    """Say in how many of `rows` a text must occur before the model learns it: 1 %, at least 2, at most 10."""
    return max(2, min(10, rows // 100))


def _shaped(column: pd.Series[Any], kind: str) -> pd.Series[Any]:
    """Give a column the form that it has in a request: float32, the graph's own precision, or text."""
    if kind == "text":
        return column.astype("object").where(column.notna(), "").astype(str).astype("object")
    numbers = pd.to_numeric(column.astype("object") if kind == "boolean" else column).astype("float64")
    shaped: pd.Series[Any] = numbers.astype("float32").replace([np.inf, -np.inf], np.nan)
    return shaped
