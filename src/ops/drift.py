"""Drift: how far the live rows have moved from what the live model learned from, column by column. Pure.

The measure is the population stability index: over the bins of a column, the sum of (live - trained) * ln(live /
trained). The bins are those of signature.json: a tenth of the training rows each where values allow it, or the
categories; missing is a bin of its own. By the usual reading below 0.1 is no change to speak of, above 0.25 is a reason
to look, and to retrain.
"""

from __future__ import annotations

import math
import struct
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ops.errors import UsageError

LOOK, RETRAIN = 0.1, 0.25
_LEAST = 1e-4  # share that an empty bin counts as, so that the logarithm exists
_OTHERS = object()  # the bin of the categories beyond those of the signature, whatever they are called


def index(trained: Mapping[Any, float], live: Mapping[Any, float]) -> float:
    """Return the population stability index of two distributions over the same bins (shares that sum to 1)."""
    total = 0.0
    for each in {**trained, **live}:
        before, now = max(trained.get(each, 0.0), _LEAST), max(live.get(each, 0.0), _LEAST)
        total += (now - before) * math.log(now / before)
    return total


def by_column(signature: Mapping[str, Any], columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> dict[str, float]:
    """Return the index of each column of the signature that the rows have, largest first.

    Raises UsageError for texts where the signature has numbers.
    """
    found = {}
    for column in signature["columns"]:
        if column["name"] in columns and rows:
            place = columns.index(column["name"])
            try:
                trained, live = _distributions(column, [row[place] for row in rows])
            except ValueError:
                raise UsageError(f"column {column['name']} is text in the live rows, the model knows numbers") from None
            found[column["name"]] = index(trained, live)
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def _distributions(column: Mapping[str, Any], cells: Sequence[Any]) -> tuple[dict[Any, float], dict[Any, float]]:
    missing = float(column.get("missing_share", 0.0))
    if "categories" in column:
        shares = column["categories"]
        trained = {**shares, _OTHERS: max(1.0 - missing - sum(shares.values()), 0.0), None: missing}
        live = [None if cell in (None, "") else cell if cell in shares else _OTHERS for cell in cells]
    else:
        edges = column["edges"]
        trained = {None: missing, **dict(enumerate(column["shares"]))}
        numbers = [None if cell is None else _single(float(cell)) for cell in cells]
        live = [None if number is None else bisect_right(edges, number) for number in numbers]
    counts = Counter(live)
    return trained, {each: count / len(cells) for each, count in counts.items()}


def _single(number: float) -> float | None:
    """Return a number as training saw it, in single precision, and None for what is infinite there: missing.

    An edge of a bin is such a number. 0.1 itself would lie below the edge that was made of it.
    """
    try:
        seen: float = struct.unpack("f", struct.pack("f", number))[0]
    except OverflowError:
        return None
    return seen if math.isfinite(seen) else None
