"""Requests parsed and refused: every cell by its type, every refusal with a reason, nothing else ever raised."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from payload import MOST_LAYOUTS, BadRequest, Batch, Reader, Writer, refusal

SIGNATURE: dict[str, Any] = {
    "columns": [
        {"name": "text", "type": "text", "nullable": False},
        {"name": "maybe text", "type": "text", "nullable": True},
        {"name": "number", "type": "number", "nullable": False},
        {"name": "maybe", "type": "number", "nullable": True},
        {"name": "flag", "type": "boolean", "nullable": False},
    ],
    "labels": {"positive": "yes", "negative": "no"},
    "threshold": 0.5,
}
NAMES = [column["name"] for column in SIGNATURE["columns"]]
GOOD = ["a", "b", 1, 2.5, True]
MOST = 5


def reader() -> Reader:
    return Reader(SIGNATURE, MOST)


def table(*rows: list[Any], columns: list[Any] | None = None) -> bytes:
    return json.dumps({"input_data": {"columns": NAMES if columns is None else columns, "data": rows}}).encode()


def records(*rows: dict[str, Any]) -> bytes:
    return json.dumps({"input_data": rows}).encode()


def test_both_shapes_give_the_same_batch() -> None:
    """Columns by position and columns by name say the same."""
    one = reader().read(table(GOOD, ["c", None, -1, None, False]))
    other = reader().read(
        records(dict(zip(NAMES, GOOD, strict=True)), dict(zip(NAMES, ["c", None, -1, None, False], strict=True)))
    )
    for batch in (one, other):
        assert batch.numbers.shape[0] == 2
        assert batch.texts is not None
        assert batch.texts.tolist() == [["a", "b"], ["c", ""]]
        assert np.array_equal(batch.numbers, [[1, 2.5, 1], [-1, np.nan, 0]], equal_nan=True)


@given(st.permutations(range(len(NAMES))), st.permutations(range(len(NAMES))))
def test_the_order_of_columns_does_not_matter(first: list[int], second: list[int]) -> None:
    """In either shape, and from one row to the next: every row is there, in its place."""
    rows = (GOOD, ["c", "d", 2, 3.5, False])
    shuffled = table(*([row[place] for place in first] for row in rows), columns=[NAMES[place] for place in first])
    orders = zip(rows, (first, second), strict=True)
    objects = records(*({NAMES[place]: row[place] for place in order} for row, order in orders))
    for body in (shuffled, objects):
        batch = reader().read(body)
        assert batch.texts is not None
        assert batch.texts.tolist() == [["a", "b"], ["c", "d"]]
        assert batch.numbers is not None
        assert batch.numbers.tolist() == [[1, 2.5, 1], [2, 3.5, 0]]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not JSON"),
        (b"\xff", "not JSON"),
        (b'{"input_data": NaN}', "not JSON"),
        (b"[" * 5000, "not JSON"),
        (b"[]", 'must be an object with "input_data"'),
        (b'{"data": []}', 'must be an object with "input_data"'),
        (b'{"input_data": 1}', '"input_data" must be'),
        (b'{"input_data": [], "params": {}}', "unknown key 'params' beside"),
        (b'{"input_data": []}', "no rows"),
        (b'{"input_data": [1]}', "row 0: expected an object, found a number"),
        (b'{"input_data": [{}]}', "row 0: missing column 'text', 'maybe text'"),
        (b'{"input_data": {}}', 'must have "columns" and "data"'),
        (b'{"input_data": {"columns": [], "data": [], "rows": 1}}', "unknown key 'rows'"),
        (table(columns=[1]), '"columns" must be a list of texts'),
        (table(columns=[[]]), '"columns" must be a list of texts'),
        (table(), "no rows"),
        (table(GOOD[:-1]), "row 0: 4 cells for 5 columns"),
        (table(GOOD, [*GOOD, 1]), "row 1: 6 cells for 5 columns"),
        (table(*[GOOD] * (MOST + 1)), "6 rows are too many: at most 5"),
        (b'{"input_data": {"columns": ["a"], "data": 1}}', "both lists"),
        (table(GOOD, columns=["x", *NAMES[1:]]), "unknown column 'x'; the model takes text, maybe text"),
        (table(GOOD, columns=[NAMES[1], *NAMES[1:]]), "column 'maybe text' is given twice"),
        (table(GOOD[1:], columns=NAMES[1:]), "missing column 'text'"),
        (records({**dict(zip(NAMES, GOOD, strict=True)), "x": 1}), "row 0: unknown column 'x'"),
        (b'{"input_data": {"columns": %b, "data": [1]}}' % orjson.dumps(NAMES), "row 0: expected a list of cells"),
    ],
)
def test_a_malformed_request_says_what_is_wrong(body: bytes, reason: str) -> None:
    """Shape, names, counts."""
    with pytest.raises(BadRequest) as refused:
        reader().read(body)
    assert reason in str(refused.value)


@pytest.mark.parametrize(
    ("column", "cell", "reason"),
    [
        (0, 1, "expected a text, found a number"),
        (0, True, "expected a text, found true or false"),
        (0, None, "null, and the training data lacked none"),
        (0, ["a"], "expected a text, found a list"),
        (1, {}, "expected a text, found an object"),
        (2, "1", "expected a number, found a text"),
        (2, True, "expected a number, found true or false"),
        (2, None, "null, and the training data lacked none"),
        (2, 1e31, "a number beyond 1e+30"),
        (2, -(10**40), "a number beyond 1e+30"),
        (3, 1e300, "a number beyond 1e+30"),
        (4, 1, "expected true or false, found a number"),
        (4, "true", "expected true or false, found a text"),
    ],
)
def test_a_wrong_cell_is_named(column: int, cell: Any, reason: str) -> None:
    """By its row and column, also after good rows of the same shape were seen."""
    row = [*GOOD[:column], cell, *GOOD[column + 1 :]]
    patient = reader()
    patient.read(table(GOOD))
    for body in (table(GOOD, row), records(*(dict(zip(NAMES, cells, strict=True)) for cells in (GOOD, row)))):
        with pytest.raises(BadRequest) as refused:
            patient.read(body)
        assert f"row 1, column {NAMES[column]!r}: " in str(refused.value)
        assert reason in str(refused.value)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(max_size=4), inner, max_size=6),
    max_leaves=12,
)
cells = st.lists(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3), max_size=6
)


@given(
    st.binary(max_size=40)
    | st.builds(lambda value: json.dumps(value).encode(), json_values)
    | st.builds(lambda value: json.dumps({"input_data": value}).encode(), json_values)
    | st.builds(lambda rows: table(*rows), st.lists(cells, max_size=7))
    | st.builds(lambda names: table(GOOD, columns=names), st.lists(st.sampled_from(NAMES) | json_values, max_size=6))
)
@example(b'{"input_data": [{"text": "\\ud800"}]}')
@example(b'{"input_data": {"columns": null, "data": null}}')
def test_nothing_but_bad_request_is_ever_raised(body: bytes) -> None:
    """Any bytes and any JSON: a batch whose cells are all sound, or a refusal with a short text."""
    batch: Batch | None
    reason = ""
    try:
        batch = reader().read(body)
    except BadRequest as refused:
        reason = str(refused)
        batch = None
    if batch is None:
        assert 0 < len(reason) < 1000
        assert orjson.loads(refusal(reason)) == {"error": {"code": "BadRequest", "message": reason}}
        return
    assert batch.numbers is not None
    assert batch.texts is not None
    assert 1 <= len(batch.numbers) <= MOST
    assert batch.numbers.shape[1] == 3
    assert not np.isnan(batch.numbers[:, [0, 2]]).any()
    assert all(type(text) is str for text in batch.texts.ravel())


def test_what_is_remembered_is_bounded() -> None:
    """A client cannot fill the memory with ever new orders of columns."""
    many = {"columns": [{"name": f"c{n}", "type": "number", "nullable": True} for n in range(14)]}
    patient = Reader(many, 1)
    names = [column["name"] for column in many["columns"]]
    for turn in range(MOST_LAYOUTS + 20):
        order = [*names[turn % 14 :], *names[: turn % 14]]
        order[turn % 7], order[7 + turn // 14] = order[7 + turn // 14], order[turn % 7]
        patient.read(table([1] * 14, columns=order))
    assert len(patient._layouts) <= MOST_LAYOUTS


@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=20))
def test_an_answer_has_one_label_and_one_probability_a_row(values: list[float]) -> None:
    """The label is the positive one from the threshold on; the model is named."""
    body = orjson.loads(Writer(SIGNATURE, "club", "7").write(np.array(values, np.float32)))
    assert body["predictions"] == ["yes" if value >= 0.5 else "no" for value in values]
    assert all(math.isclose(a, b) for a, b in zip(body["probabilities"], values, strict=True))
    assert body["model"] == {"name": "club", "version": "7"}
