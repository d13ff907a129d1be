"""Rows checked and shaped: what is refused, with which words, and what comes out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dataset import Dataset, category_floor, matching, prepare
from errors import DataError, TargetError
from folder import Rows, read_folder


def rows_of(tmp_path: Path, frame: pd.DataFrame) -> Rows:
    frame.to_csv(tmp_path / "rows.csv", index=False)
    return read_folder(tmp_path)


def frame_of(**columns: Any) -> pd.DataFrame:
    rows = 100
    return pd.DataFrame({"n": np.arange(rows) % 7, "target": np.arange(rows) % 2, **columns})


def prepared(tmp_path: Path, frame: pd.DataFrame, positive: str = "1", **changed: Any) -> Dataset:
    options: dict[str, Any] = {"target": "target", "positive": positive, "drop": [], "time_column": None}
    return prepare(rows_of(tmp_path, frame), **{**options, **changed})


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"target": "absent"}, TargetError, "target column 'absent' is not in .*its columns are n, target"),
        ({"drop": ["gone"]}, DataError, "dropped column 'gone' is not in"),
        ({"time_column": "when"}, DataError, "time column 'when' is not in"),
        ({"drop": ["target"]}, TargetError, "cannot be dropped"),
        ({"time_column": "target"}, TargetError, "cannot be dropped or be the time column too"),
        ({"drop": ["n"]}, DataError, "no column is left"),
        ({"positive": "maybe"}, TargetError, "is never 'maybe'; it takes 0, 1"),
        ({"positive": "7"}, TargetError, "is never '7'; it takes 0, 1"),
    ],
)
def test_settings_that_do_not_fit_the_data_are_named(
    tmp_path: Path, changed: dict[str, Any], error: type[Exception], message: str
) -> None:
    """A wrong name or label says what there is instead."""
    with pytest.raises(error, match=message):
        prepared(tmp_path, frame_of(), **changed)


@pytest.mark.parametrize(
    ("columns", "error", "message"),
    [
        ({"target": 1}, TargetError, "is '1' in every row"),
        ({"target": [1] * 3 + [0] * 97}, TargetError, "a class has 3 rows only"),
        ({"target": [1] * 97 + [0] * 3}, TargetError, "a class has 3 rows only"),
        ({"m": np.nan}, DataError, "column 'm' is missing in every row: drop it by name"),
        ({"m": np.inf}, DataError, "column 'm' is missing in every row: drop it by name"),
        ({"m": -np.inf}, DataError, "column 'm' is missing in every row: drop it by name"),
        ({"id": [f"a{n}" for n in range(100)]}, DataError, "column 'id' has another text in nearly every row"),
    ],
)
def test_data_that_cannot_be_trained_on_is_named(
    tmp_path: Path, columns: dict[str, Any], error: type[Exception], message: str
) -> None:
    """One class, a class of three rows, an empty column, an identifier: each says so, and what to do."""
    with pytest.raises(error, match=message):
        prepared(tmp_path, frame_of(**columns))


@pytest.mark.parametrize(("first", "second"), [("True", "1"), ("1.0", "?"), ("7", "seven")])
def test_a_target_of_two_kinds_is_refused(tmp_path: Path, first: str, second: str) -> None:
    """As texts, half of the positive rows would become negative without a word."""
    for name, cell in (("a", first), ("b", second)):
        (tmp_path / f"{name}.csv").write_text("n,target\n" + f"1,{cell}\n" * 60)
    with pytest.raises(TargetError, match="is of another kind in one file than in others: spell it alike"):
        prepare(read_folder(tmp_path), "target", "1", [], None)
    training = tmp_path / "training"
    training.mkdir()
    with pytest.raises(TargetError, match="in one file than in others"):
        matching(read_folder(tmp_path), prepared(training, frame_of()), "target", "1")


def test_an_infinite_target_is_a_missing_one(tmp_path: Path) -> None:
    """It could stand in no answer."""
    data = prepared(tmp_path, frame_of(target=[1, 0] * 45 + [np.inf] * 10))
    assert (len(data.target), data.unlabelled, data.labels.negative) == (90, 10, 0)


def test_too_few_rows_are_refused(tmp_path: Path) -> None:
    """Rows without a target do not count."""
    frame = frame_of()
    frame["target"] = frame["target"].where(frame.index < 40)
    with pytest.raises(DataError, match="40 rows with a target are too few"):
        prepared(tmp_path, frame)


def test_rows_without_a_target_are_left_out_and_counted(tmp_path: Path) -> None:
    """An unlabelled row teaches nothing."""
    frame = frame_of()
    frame["target"] = frame["target"].where(frame.index < 90)
    data = prepared(tmp_path, frame)
    assert (len(data.target), data.unlabelled) == (90, 10)


@pytest.mark.parametrize(
    ("values", "positive", "labels"),
    [
        ([0, 1], "1", (1, 0)),
        ([0, 1], "1.0", (1, 0)),
        ([0, 1], "true", (1, 0)),
        ([0, 1], "1e0", (1, 0)),
        ([0.5, 2], "2", (2, 0.5)),
        ([2**53, 2**53 + 1], str(2**53 + 1), (2**53 + 1, 2**53)),
        ([False, True], "true", (True, False)),
        ([False, True], "1", (True, False)),
        (["no", "yes"], "yes", ("yes", "no")),
        (["yes", "no"], "no", ("no", "yes")),
        (["a", "b", "c", "a"], "a", ("a", "not a")),
    ],
)
def test_the_positive_value_is_matched_by_meaning(
    tmp_path: Path, values: list[Any], positive: str, labels: tuple[Any, Any]
) -> None:
    """A number by value, a text as written; everything else is negative."""
    many = (values * 100)[:100]
    data = prepared(tmp_path, frame_of(target=many), positive=positive)
    assert (data.labels.positive, data.labels.negative) == labels
    assert type(data.labels.positive) is type(labels[0])
    assert data.target.tolist() == [int(value == labels[0]) for value in many]


def test_columns_keep_the_files_order_and_features_put_texts_last(tmp_path: Path) -> None:
    """The signature is written for people, the arrays for the graph."""
    data = prepared(tmp_path, frame_of(t="x", b=True, z=2.5))
    assert [(c.name, c.type) for c in data.columns] == [
        ("n", "number"),
        ("t", "text"),
        ("b", "boolean"),
        ("z", "number"),
    ]
    assert list(data.features) == ["n", "b", "z", "t"]
    assert data.numbers == 3
    assert data.features["b"].dtype == np.float32


def test_a_column_is_nullable_where_a_cell_is_missing(tmp_path: Path) -> None:
    """Numbers, booleans and texts alike; a missing text is empty, a missing number not a number."""
    gap = np.arange(100) % 10 == 3
    frame = frame_of(t=pd.Series(["x"] * 100).mask(gap), b=pd.Series([True] * 100, dtype=object).mask(gap), z=1.0)
    data = prepared(tmp_path, frame)
    assert {c.name: c.nullable for c in data.columns} == {"n": False, "t": True, "b": True, "z": False}
    assert data.features["t"][3] == ""
    assert np.isnan(data.features["b"][3])


def test_a_time_column_orders_the_rows_and_is_no_feature(tmp_path: Path) -> None:
    """The holdout is then the latest share."""
    when = [f"2020-01-{1 + (37 * n) % 28:02}" for n in range(100)]
    data = prepared(tmp_path, frame_of(when=when, d=[int(day[-2:]) for day in when]), time_column="when")
    assert data.features["d"].is_monotonic_increasing
    assert (data.first, data.last) == (min(when), max(when))
    assert "when" not in data.features


def test_times_of_several_zones_are_ordered_by_the_moment(tmp_path: Path) -> None:
    """Half past one in Paris is before one in London; rows of one moment stay in the order of their files."""
    moments = [
        "2020-01-01T01:30:00+01:00",
        "2020-01-01T01:00:00+00:00",
        "2020-01-01T01:00:00Z",
        "2020-01-01T02:01+01:00",
    ]
    when = [moments[n % 4] for n in range(100)]
    data = prepared(tmp_path, frame_of(when=when, d=[n % 4 for n in range(100)], at=range(100)), time_column="when")
    order = data.features["d"].astype(int).tolist()
    assert (order[:25], set(order[25:75]), order[75:]) == ([0] * 25, {1, 2}, [3] * 25)
    assert data.features["at"][25:75].is_monotonic_increasing


@pytest.mark.parametrize(("cell", "message"), [(None, "missing in 1 rows"), ("soon", "not in ISO 8601")])
def test_a_time_that_is_none_is_refused(tmp_path: Path, cell: str | None, message: str) -> None:
    """A row without a place in time cannot be held out by time."""
    with pytest.raises(DataError, match=message):
        prepared(tmp_path, frame_of(when=["2020-01-01"] * 99 + [cell]), time_column="when")


def test_another_folder_is_shaped_by_the_first(tmp_path: Path) -> None:
    """Columns in another order, an extra one, and a number column without a value do not matter."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    data = prepared(tmp_path / "a", frame_of(t=["x", "y"] * 50))
    other = frame_of(t=["x", "z"] * 50, extra=1)[["extra", "t", "target", "n"]].assign(n=np.nan)
    features, target = matching(rows_of(tmp_path / "b", other), data, "target", "1")
    assert list(features) == ["n", "t"]
    assert features.dtypes["n"] == np.float32
    assert target.tolist() == data.target.tolist()


def test_rows_of_another_folder_without_a_target_are_left_out(tmp_path: Path) -> None:
    """As negative ones they would make the holdout's measures better or worse than they are."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    data = prepared(tmp_path / "a", frame_of())
    other = frame_of()
    other["target"] = other["target"].where(other.index < 90)
    features, target = matching(rows_of(tmp_path / "b", other), data, "target", "1")
    assert (len(features), len(target), target.sum()) == (90, 90, 45)


def test_as_few_rows_as_are_needed_are_enough(tmp_path: Path) -> None:
    """Fifty, and ten of a class."""
    frame = frame_of().head(50).assign(target=[1] * 10 + [0] * 40)
    assert len(prepared(tmp_path, frame).target) == 50


@pytest.mark.parametrize(
    ("columns", "message"),
    [({"m": 1}, "column 'n' of the training data is missing"), ({"n": "x"}, "column 'n' is text")],
)
def test_a_holdout_of_another_shape_is_refused(tmp_path: Path, columns: dict[str, Any], message: str) -> None:
    """A column that is absent or of another type is named."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    data = prepared(tmp_path / "a", frame_of())
    frame = frame_of(**columns)
    frame = frame if "n" in columns else frame.drop(columns="n")
    with pytest.raises(DataError, match=message):
        matching(rows_of(tmp_path / "b", frame), data, "target", "1")


@pytest.mark.parametrize(("rows", "floor"), [(0, 2), (100, 2), (299, 2), (300, 3), (500, 5), (1000, 10), (10**6, 10)])
def test_the_category_floor_is_one_percent_within_bounds(rows: int, floor: int) -> None:
    """At least two, at most ten rows must hold a text before it is learned."""
    assert category_floor(rows) == floor
