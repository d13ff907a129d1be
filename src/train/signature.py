"""What a model asks of a request: the content of signature.json, as train.py describes it. Pure."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataset import Dataset

SHOWN_CATEGORIES = 50
# Where a probability becomes the positive label.
THRESHOLD = 0.5


def describe(data: Dataset, target: str, positive: str, served: str) -> dict[str, Any]:
    """Describe the columns in the order of the files, and the labels of the answer."""
    return {
        "target": target,
        "positive": positive,
        "labels": asdict(data.labels),
        "threshold": THRESHOLD,
        "served": served,
        "columns": [{**asdict(column), **_summary(data, column.name, column.type)} for column in data.columns],
    }


def _summary(data: Dataset, name: str, kind: str) -> dict[str, Any]:
    """Summarise a column as it was in training, so that later inputs can be compared with it."""
    values = data.features[name]
    if kind == "text":
        shares = values[values != ""].value_counts().head(SHOWN_CATEGORIES) / len(values)
        missing = float((values == "").mean())
        return {"missing_share": missing, "categories": {text: round(share, 6) for text, share in shares.items()}}
    present = values.dropna().to_numpy(np.float64)
    return {
        "missing_share": float(values.isna().mean()),
        "minimum": float(present.min()),
        "maximum": float(present.max()),
        **_histogram(present, len(values)),
    }


def _histogram(present: NDArray[np.float64], rows: int) -> dict[str, list[float]]:
    """Return edges at the deciles, each once, and the share of all rows from one edge (included) to the next."""
    edges = np.unique(np.quantile(present, np.arange(1, 10) / 10))
    counts = np.bincount(np.searchsorted(edges, present, side="right"), minlength=len(edges) + 1)
    return {"edges": edges.tolist(), "shares": [round(float(share), 6) for share in counts / rows]}
