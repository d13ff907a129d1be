"""What does `run` cost beside the least that any script could do? `PYTHONPATH=src python -m bench --only scoring`.

From a request's bytes to an answer's, in process, at 1 and at 100 rows, in both shapes: the script's own `run`, the
server's answer object included. The floor is orjson and onnxruntime with the same graph and nothing else: no cell is
checked, no refusal can be given. Beside them the pipeline that the graph was made from, on a DataFrame.
"""

from __future__ import annotations

import io
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import onnxruntime
import orjson
import pandas as pd
import skops.io
from bench.figures import Figure, at_most
from bench.tools import stage
from bench.tools.timing import middle, series
from threadpoolctl import threadpool_limits

sys.path.insert(0, str(stage.SCORE))
import score

TIMES = 2.0


class Floor:
    """The graph in a model's folder between orjson and orjson; the cells are taken to be good and in their order."""

    def __init__(self, model: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        graph = str(model / "model.onnx")
        self.session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        columns = json.loads((model / "signature.json").read_text())["columns"]
        order = json.loads(stage.SAMPLE.read_text())["input_data"]["columns"]
        self.numbers = [order.index(column["name"]) for column in columns if column["type"] != "text"]
        self.texts = [order.index(column["name"]) for column in columns if column["type"] == "text"]

    def table(self, body: bytes) -> bytes:
        """Answer columns and rows."""
        return self._answer(orjson.loads(body)["input_data"]["data"])

    def records(self, body: bytes) -> bytes:
        """Answer a list of objects."""
        return self._answer([row.values() for row in orjson.loads(body)["input_data"]])

    def _answer(self, rows: Any) -> bytes:
        columns = list(zip(*rows, strict=True))
        numbers = np.array([columns[place] for place in self.numbers], np.float32)
        texts = np.array([columns[place] for place in self.texts], object)
        feed = {"numbers": np.ascontiguousarray(numbers.T), "texts": np.ascontiguousarray(texts.T)}
        return orjson.dumps({"probabilities": self.session.run(["probabilities"], feed)[0][:, 1].tolist()})


def data_frame(model: Path) -> Callable[[bytes], bytes]:
    """Return the scoring function of a tutorial: json, a DataFrame, the pipeline in a model's folder."""
    path = model / "model.skops"
    pipeline = skops.io.load(path, trusted=skops.io.get_untrusted_types(file=path))

    def answer(body: bytes) -> bytes:
        data = json.loads(body)["input_data"]
        rows = pd.DataFrame(data["data"], columns=data["columns"])[list(pipeline.feature_names_in_)]
        return json.dumps({"probabilities": pipeline.predict_proba(rows)[:, 1].tolist()}).encode()

    return answer


class Posted:
    """A request, as far as `run` looks at it."""

    method = "POST"

    def __init__(self, body: bytes) -> None:
        self.stream = io.BytesIO(body)


def answer(body: bytes) -> bytes:
    """Call the scoring script as the server does, from the bytes of a request to those of an answer."""
    given: bytes = score.run(Posted(body)).get_data()
    return given


@threadpool_limits.wrap(limits=1)  # type: ignore[untyped-decorator, unused-ignore]
def measure(folder: Path, quick: bool) -> list[Figure]:
    """Measure all four; figures in microseconds."""
    root = stage.trained(folder, quick)
    with mock.patch.dict(os.environ, AZUREML_MODEL_DIR=str(root)):
        score.init()
    floor, tutorial = Floor(root / "model"), data_frame(root / "model")
    rounds = 30 if quick else 60
    figures = []
    for count in (1, 100):
        of = f"run(), {count} row{'s' * (count > 1)}"
        for shape, body in stage.bodies(count).items():
            least = getattr(floor, shape)
            ours = json.loads(answer(body))["probabilities"]
            if not np.allclose(ours, json.loads(least(body))["probabilities"], atol=1e-6):
                raise AssertionError("the floor scores another model")
            both = {"ours": partial(answer, body), "floor": partial(least, body)}
            found = series(both, rounds, 300 // count, time.process_time)
            name = f"{of}, {shape}, µs: beside orjson + onnxruntime"
            figures.append(at_most(name, *in_microseconds(found["ours"], found["floor"]), TIMES))
            if shape == "table":
                both = {"ours": partial(answer, body), "frame": partial(tutorial, body)}
                found = series(both, 9, 2, time.process_time)
                name = f"{of}, µs: beside json + DataFrame + pipeline"
                figures.append(at_most(name, *in_microseconds(found["ours"], found["frame"]), 1 / 7))
    return figures


def in_microseconds(ours: Sequence[float], theirs: Sequence[float]) -> tuple[float, float]:
    """Return the middle round of two series of seconds."""
    mine, other = middle(ours, theirs)
    return mine * 1e6, other * 1e6
