"""Drift: the population stability index is nothing for the same rows, and grows with what moved."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import signature
from ops import drift
from ops.errors import UsageError


def column(values: list[float | None]) -> dict[str, Any]:
    """Describe a numeric column as training does."""
    present = [value for value in values if value is not None]
    singles = np.asarray(present, np.float32).astype(np.float64)
    found = signature._histogram(singles, len(values))
    return {"name": "x", "missing_share": 1 - len(present) / len(values), **found}


SIGNATURE_OF_TEXT = {"columns": [{"name": "x", "missing_share": 0.1, "categories": {"a": 0.6, "b": 0.2}}]}


def of_text(values: list[str | None]) -> float:
    return drift.by_column(SIGNATURE_OF_TEXT, ["x"], [[value] for value in values])["x"]


@given(
    st.lists(
        st.one_of(st.none(), st.floats(-5, 5), st.integers(-50, 50).map(lambda tenths: tenths / 10)),
        min_size=20,
        max_size=200,
    ).filter(lambda v: any(x is not None for x in v))
)
def test_the_training_rows_themselves_have_not_moved(values: list[float | None]) -> None:
    """Ties, missing cells and columns of one value included."""
    found = drift.by_column({"columns": [column(values)]}, ["x"], [[value] for value in values])
    assert found["x"] == pytest.approx(0, abs=1e-3)


def test_a_number_that_training_took_for_missing_is_missing() -> None:
    """In single precision it is infinite."""
    many: list[float | None] = [1.0, 2.0, 3.0] * 10
    described = {"columns": [column(many)]}
    huge = drift.by_column(described, ["x"], [[each] for each in [*many, 1e300]])
    assert huge == drift.by_column(described, ["x"], [[each] for each in [*many, None]])


def test_a_category_may_be_called_others() -> None:
    """It is not the bin of those that the signature does not name."""
    described = {"columns": [{"name": "x", "missing_share": 0.0, "categories": {"card": 0.7, "others": 0.3}}]}
    found = drift.by_column(described, ["x"], [["card"]] * 70 + [["others"]] * 30)
    assert found["x"] == pytest.approx(0, abs=1e-9)


def test_a_shift_is_seen_and_a_larger_one_more() -> None:
    """Half a standard deviation is worth a look, two are a reason to retrain."""
    chance = random.Random(1)
    signature = {"columns": [column([chance.gauss(0, 1) for _ in range(5000)])]}
    indices = [
        drift.by_column(signature, ["x"], [[chance.gauss(shift, 1)] for _ in range(5000)])["x"] for shift in (0, 0.5, 2)
    ]
    assert indices[0] < 0.02
    assert drift.LOOK < indices[1] < indices[2]
    assert indices[2] > drift.RETRAIN


def test_categories_new_ones_and_missing_cells_count() -> None:
    """The shares of training give nothing; a new category and more missing cells give something."""
    same: list[str | None] = ["a"] * 60 + ["b"] * 20 + ["c"] * 10 + [None] * 10
    assert of_text(same) == pytest.approx(0, abs=1e-9)
    assert of_text(["a"] * 60 + ["b"] * 20 + ["c"] * 20) > drift.RETRAIN  # none is missing any more
    assert of_text(["new"] * 90 + [None] * 10) > 1


def test_columns_that_the_rows_lack_are_left_out_and_the_worst_comes_first() -> None:
    """Only what can be compared is shown."""
    signature = {"columns": [column([1.0, 2.0, 3.0] * 10), {**column([1.0, 2.0, 3.0] * 10), "name": "y"}]}
    found = drift.by_column(signature, ["y"], [[9.0]] * 10)
    assert list(found) == ["y"]


def test_texts_where_the_model_knows_numbers_are_wrong_usage() -> None:
    """The column is named."""
    with pytest.raises(UsageError, match="column x is text in the live rows"):
        drift.by_column({"columns": [column([1.0, 2.0, 3.0])]}, ["x"], [["old"]])
