"""The request and the answer of a scoring call. Pure: bytes and a signature in, arrays or bytes out.

Two shapes are taken, with the same columns in any order:

    {"input_data": {"columns": ["carrier", ...], "data": [["UA", ...], ...]}}     an "index" beside them is ignored
    {"input_data": [{"carrier": "UA", ...}, ...]}

Every cell is checked against the signature that training wrote. A number column takes JSON numbers up to 1e30 in
size, a boolean column true and false, a text column strings. null is a missing value: it is taken where the
training rows lacked one too, and refused elsewhere, for there the model never learned what absence means. A text
that training did not see is scored as unknown. Everything else raises BadRequest, whose text says where and why.

The answer is {"predictions": [...], "probabilities": [...], "model": {"name", "version"}}: one entry a row, the
prediction in the target's own values, the probability that of the positive class.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

LARGEST = 1e30
# Orders of columns are remembered; a client that sends ever new ones must not fill the memory.
MOST_LAYOUTS = 64
SHOWN = 80

WANTED = {"number": "a number", "boolean": "true or false", "text": "a text"}
TYPES: dict[str, frozenset[type]] = {
    "number": frozenset((int, float)),
    "boolean": frozenset((bool,)),
    "text": frozenset((str,)),
}
FOUND = {
    str: "a text",
    bool: "true or false",
    int: "a number",
    float: "a number",
    type(None): "null",
    list: "a list",
    dict: "an object",
}


class BadRequest(Exception):
    """The request cannot be scored; the text tells its sender why."""


class Batch:
    """The rows of one request as the model takes them; a model without such columns gets None."""

    __slots__ = ("numbers", "texts")

    def __init__(self, numbers: NDArray[np.float32] | None, texts: NDArray[np.object_] | None) -> None:
        self.numbers = numbers
        self.texts = texts


class Layout:
    """How rows with one order of columns become a batch."""

    __slots__ = ("accepted", "nullable_texts", "numbers", "texts", "types")

    def __init__(
        self, names: tuple[str, ...], kinds: Mapping[str, str], accepted: Mapping[str, frozenset[type]]
    ) -> None:
        place = {name: position for position, name in enumerate(names)}
        self.types = [(name, kinds[name], accepted[name]) for name in names]
        self.accepted = [accepted[name] for name in names]
        self.numbers = _picker([place[name] for name, kind in kinds.items() if kind != "text"])
        self.texts = _picker([place[name] for name, kind in kinds.items() if kind == "text"])
        self.nullable_texts = any(kinds[name] == "text" and type(None) in accepted[name] for name in names)


class Reader:
    """Turns request bodies into batches by one signature."""

    def __init__(self, signature: Mapping[str, Any], most_rows: int) -> None:
        columns = signature["columns"]
        self._kinds: dict[str, str] = {column["name"]: column["type"] for column in columns}
        self._nullable = {column["name"] for column in columns if column["nullable"]}
        self._accepted = {
            name: TYPES[kind] | ({type(None)} if name in self._nullable else set())
            for name, kind in self._kinds.items()
        }
        self._most_rows = most_rows
        self._layouts: dict[tuple[str, ...], Layout] = {}

    def read(self, body: bytes) -> Batch:
        """Parse and check one body. Raise BadRequest."""
        try:
            content = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise BadRequest(f"the body is not JSON: {error}") from None
        if type(content) is not dict or "input_data" not in content:
            raise BadRequest('the body must be an object with "input_data"')
        if len(content) > 1:
            extra = next(key for key in content if key != "input_data")
            raise BadRequest(f'unknown key {_quote(extra)} beside "input_data"')
        data = content["input_data"]
        if type(data) is dict:
            return self._table(data)
        if type(data) is list:
            return self._records(data)
        raise BadRequest('"input_data" must be {"columns": [...], "data": [[...]]} or a list of objects')

    def _table(self, data: dict[str, Any]) -> Batch:
        for key in data:
            if key not in ("columns", "data", "index"):
                raise BadRequest(f'unknown key {_quote(key)} in "input_data"')
        names, rows = data.get("columns"), data.get("data")
        if type(names) is not list or type(rows) is not list:
            raise BadRequest('"input_data" must have "columns" and "data", both lists')
        if not all(type(name) is str for name in names):
            raise BadRequest('"columns" must be a list of texts')
        layout = self._layout(tuple(names))
        self._count(rows)
        width = len(names)
        for number, row in enumerate(rows):
            if type(row) is not list:
                raise BadRequest(f"row {number}: expected a list of cells, found {FOUND[type(row)]}")
            if len(row) != width:
                raise BadRequest(f"row {number}: {len(row)} cells for {width} columns")
        return self._batch(layout, rows)

    def _records(self, rows: list[Any]) -> Batch:
        self._count(rows)
        names: tuple[str, ...] | None = None
        cells = []
        for number, row in enumerate(rows):
            if type(row) is not dict:
                raise BadRequest(f"row {number}: expected an object, found {FOUND[type(row)]}")
            keys = tuple(row)
            if keys == names:
                cells.append(tuple(row.values()))
            elif names is None:
                names = keys
                layout = self._layout(names, "row 0: ")
                cells.append(tuple(row.values()))
            else:
                self._layout(keys, f"row {number}: ")
                cells.append(tuple([row[name] for name in names]))
        return self._batch(layout, cells)

    def _count(self, rows: Sequence[Any]) -> None:
        if not rows:
            raise BadRequest("there are no rows to score")
        if len(rows) > self._most_rows:
            raise BadRequest(f"{len(rows)} rows are too many: at most {self._most_rows} a request")

    def _layout(self, names: tuple[str, ...], where: str = "") -> Layout:
        known = self._layouts.get(names)
        if known:
            return known
        seen: set[str] = set()
        for name in names:
            if name not in self._kinds:
                raise BadRequest(f"{where}unknown column {_quote(name)}; the model takes {', '.join(self._kinds)}")
            if name in seen:
                raise BadRequest(f"{where}column {_quote(name)} is given twice")
            seen.add(name)
        absent = [name for name in self._kinds if name not in seen]
        if absent:
            raise BadRequest(f"{where}missing column {', '.join(map(_quote, absent))}")
        layout = Layout(names, self._kinds, self._accepted)
        if len(self._layouts) < MOST_LAYOUTS:
            self._layouts[names] = layout
        return layout

    def _batch(self, layout: Layout, rows: Sequence[Sequence[Any]]) -> Batch:
        # By columns, whose cells are of few types: no loop below runs in Python cell by cell.
        columns = list(zip(*rows, strict=True))
        for accepted, column in zip(layout.accepted, columns, strict=True):
            if not accepted.issuperset(map(type, column)):
                for number, row in enumerate(rows):
                    _check(layout, number, row)
        numbers = texts = None
        if layout.numbers:
            # In double first: an integer may be too large for the model's single precision.
            wide = np.array(layout.numbers(columns), np.float64)
            large = np.abs(wide) > LARGEST
            if large.any():
                number, column_number = map(int, np.argwhere(large.T)[0])
                name = [name for name, kind in self._kinds.items() if kind != "text"][column_number]
                raise BadRequest(f"row {number}, column {_quote(name)}: a number beyond {LARGEST:g} in size")
            numbers = np.ascontiguousarray(wide.T, np.float32)
        if layout.texts:
            texts = np.array(layout.texts(columns), object).T
            if layout.nullable_texts:
                # A missing text is the empty one, as in training.
                texts[texts == None] = ""  # noqa: E711  compares element by element
            texts = np.ascontiguousarray(texts)
        return Batch(numbers, texts)


class Writer:
    """Shapes the model's probabilities into the body of an answer."""

    def __init__(self, signature: Mapping[str, Any], name: str | None, version: str | None) -> None:
        labels = signature["labels"]
        self._labels = (labels["negative"], labels["positive"])
        self._threshold = float(signature.get("threshold", 0.5))
        self._model = {"name": name, "version": version}

    def write(self, probabilities: NDArray[np.float32]) -> bytes:
        """Give the body for one probability of the positive class a row."""
        values = probabilities.tolist()
        negative, positive = self._labels
        threshold = self._threshold
        return orjson.dumps(
            {
                "predictions": [positive if value >= threshold else negative for value in values],
                "probabilities": values,
                "model": self._model,
            }
        )


def refusal(message: str) -> bytes:
    """Give the body of a 400."""
    return orjson.dumps({"error": {"code": "BadRequest", "message": message}})


def _check(layout: Layout, number: int, row: Sequence[Any]) -> None:
    for cell, (name, kind, accepted) in zip(row, layout.types, strict=True):
        if type(cell) in accepted:
            continue
        if cell is None:
            fault = f"null, and the training data lacked none; expected {WANTED[kind]}"
        else:
            fault = f"expected {WANTED[kind]}, found {FOUND[type(cell)]}"
        raise BadRequest(f"row {number}, column {_quote(name)}: {fault}")


def _picker(positions: list[int]) -> Callable[[Sequence[Any]], tuple[Any, ...]] | None:
    if len(positions) == 1:
        only = positions[0]
        return lambda row: (row[only],)
    return itemgetter(*positions) if positions else None


def _quote(text: object) -> str:
    shown = str(text)
    return repr(shown if len(shown) <= SHOWN else shown[:SHOWN] + "...")
