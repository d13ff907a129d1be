"""The fitted pipeline as an ONNX graph, and the proof that both say the same.

The graph has at most two inputs, `numbers` (float32, rows x numbers) and `texts` (string, rows x texts), and
its output `probabilities` (float32, rows x 2) holds the positive class in its second column.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dataset import Dataset

# Two answers further apart than this on any row mean that the graph is not the pipeline. A linear graph is off
# by some 4e-7, and a boosted one by as much.
TOLERANCE = 1e-5
SAMPLE = 5000
PART = 5000
UNSEEN = "\u00a0never seen\u00a0"
# Scoring refuses numbers beyond 1e30.
EXTREMES = (0.0, 1e6, -1e6, 1e30, -1e30)


def compared(pipeline: Any, data: Dataset, later: pd.DataFrame | None = None) -> tuple[bytes | None, dict[str, Any]]:
    """Convert and compare: the graph, None if it is not to be trusted, and `parity` as train.py describes it."""
    nullable = [column.name for column in data.columns if column.nullable]
    rows = parity_rows(data.features, data.numbers, nullable, later)
    try:
        graph = to_graph(pipeline, data.numbers, data.features.shape[1] - data.numbers)
        apart = difference(pipeline, graph, rows, data.numbers)
    except Exception as error:  # the converter and the runtime raise many kinds, and all mean: no graph
        text = (str(error).splitlines() or [""])[0][:200]
        reason = f"the pipeline does not convert: {type(error).__name__}: {text}"
        return None, {"max_abs_difference": None, "rows": len(rows), "reason": reason}
    if apart > TOLERANCE:
        reason = f"the graph differs from the pipeline by {apart:.2g}"
        finite = apart if np.isfinite(apart) else None
        return None, {"max_abs_difference": finite, "rows": len(rows), "reason": reason}
    return graph, {"max_abs_difference": apart, "rows": len(rows), "reason": None}


def to_graph(pipeline: Any, numbers: int, texts: int) -> bytes:
    """Convert a fitted pipeline. Whatever the converter raises passes through: there is no list of it."""
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType

    inputs = []
    if numbers:
        inputs.append(("numbers", FloatTensorType([None, numbers])))
    if texts:
        inputs.append(("texts", StringTensorType([None, texts])))
    with _plain_attributes():
        graph = to_onnx(_dense(pipeline), initial_types=inputs, options={"zipmap": False})
    _bound(graph)
    content: bytes = graph.SerializeToString()
    return content


def _bound(graph: Any) -> None:
    """Have the graph answer probabilities within 0 and 1: a forest's, summed in float32, may end at 1.0000001."""
    from onnx import TensorProto, helper

    for node in graph.graph.node:
        node.output[:] = ["sums" if name == "probabilities" else name for name in node.output]
        node.input[:] = ["sums" if name == "probabilities" else name for name in node.input]
    bounds = {"least": 0.0, "most": 1.0}
    graph.graph.initializer.extend(
        helper.make_tensor(name, TensorProto.FLOAT, [], [value]) for name, value in bounds.items()
    )
    graph.graph.node.append(helper.make_node("Clip", ["sums", *bounds], ["probabilities"]))


def predict(graph: bytes, features: pd.DataFrame, numbers: int) -> NDArray[np.float64]:
    """Run the graph on features as `dataset` orders them; probabilities of the positive class."""
    import onnxruntime

    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    answers = []
    # By parts: ONNX has no sparse tensors, and the indicators of a million rows would take gigabytes.
    for start in range(0, len(features), PART):
        part = features.iloc[start : start + PART]
        feed: dict[str, Any] = {}
        if numbers:
            feed["numbers"] = part.iloc[:, :numbers].to_numpy(np.float32)
        if numbers < features.shape[1]:
            feed["texts"] = part.iloc[:, numbers:].to_numpy(object)
        answers.append(session.run(["probabilities"], feed)[0][:, 1])
    return np.concatenate(answers).astype(np.float64)


def parity_rows(
    features: pd.DataFrame, numbers: int, nullable: list[str], later: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Choose the rows to compare on: typical ones, and for each column a missing, an unseen, an extreme cell.

    A missing cell is tried only in the columns that may lack one; scoring refuses it in the others. Typical rows of
    `later` come last: they hold what training never saw.
    """
    typical = _spread(features)
    odd = []
    for position, name in enumerate(features.columns):
        replacements: list[Any] = list(EXTREMES) if position < numbers else [UNSEEN, ""]
        if position < numbers:
            replacements += [float(features[name].min()), float(features[name].max())]
            if name in nullable:
                replacements.append(np.nan)
        for index, value in enumerate(replacements):
            odd.append(typical.iloc[[(7 * index + position) % len(typical)]].assign(**{name: value}))
    empty = typical.head(20).copy()
    for position, name in enumerate(features.columns):
        if position >= numbers or name in nullable:
            empty[name] = np.nan if position < numbers else ""
    also = [] if later is None else [_spread(later)]
    rows = pd.concat([typical, *odd, empty, *also], ignore_index=True)
    return rows.astype(dict(features.dtypes.items()))


def _spread(features: pd.DataFrame) -> pd.DataFrame:
    """Take up to twice SAMPLE rows, evenly."""
    return features.iloc[:: max(1, len(features) // SAMPLE)]


def difference(pipeline: Any, graph: bytes, rows: pd.DataFrame, numbers: int) -> float:
    """Give the largest difference of the two probabilities over rows; infinite where either is not a number."""
    ours = pipeline.predict_proba(rows)[:, 1]
    apart = np.abs(ours - predict(graph, rows, numbers))
    return float(apart.max()) if np.isfinite(apart).all() else float("inf")


def _dense(pipeline: Any) -> Any:
    """Copy a pipeline with its binning set to dense: ONNX has no sparse tensors, and the numbers are the same."""
    copied = copy.deepcopy(pipeline)
    bins = copied.named_steps["columns"].named_transformers_.get("bins")
    if bins is not None:
        bins[-1].encode = "onehot-dense"
    return copied


@contextlib.contextmanager
def _plain_attributes() -> Iterator[None]:
    """Let the converter pass plain integers to onnx while it runs.

    skl2onnx 1.20 hands the node fields of histogram boosting on as numpy bools and unsigned integers, and
    onnx since 1.18 refuses those. The values are right, only their types are not.
    """
    from skl2onnx.common import _container

    original = _container.make_node

    def make_node(*positional: Any, **attributes: Any) -> Any:
        return original(*positional, **{name: _plain(value) for name, value in attributes.items()})

    _container.make_node = make_node
    try:
        yield
    finally:
        _container.make_node = original


def _plain(value: Any) -> Any:
    if isinstance(value, bool | np.bool_ | Integral):
        return int(value)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.ndarray) and value.dtype.kind in "bu":
        return value.astype(np.int64)
    return value
