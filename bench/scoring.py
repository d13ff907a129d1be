"""What does `run` cost beside the least that any script could do? `PYTHONPATH=src python -m bench.scoring`.

From a request's bytes to an answer's, in process, at 1 and at 100 rows, in both shapes. The floor is orjson and
onnxruntime with the same graph and nothing else: no cell is checked, no refusal can be given. Beside them, without an
aim, the pipeline that the graph was made from, on a DataFrame.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import orjson
import pandas as pd
import skops.io
from bench import stage
from bench.figures import Figure, at_most
from bench.timing import medians
from threadpoolctl import threadpool_limits

sys.path.insert(0, str(stage.SCORE))
import score

TIMES = 2.0


class Floor:
    """The graph between orjson and orjson; the cells are taken to be good."""

    def __init__(self, folder: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        graph = str(folder / "model" / "model.onnx")
        self.session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        columns = json.loads((folder / "model" / "signature.json").read_text())["columns"]
        self.numbers = [column["name"] for column in columns if column["type"] != "text"]
        self.texts = [column["name"] for column in columns if column["type"] == "text"]
        order = json.loads(stage.SAMPLE.read_text())["input_data"]["columns"]
        self.places = [order.index(name) for name in self.numbers], [order.index(name) for name in self.texts]

    def table(self, body: bytes) -> bytes:
        """Answer columns and rows."""
        columns = list(zip(*orjson.loads(body)["input_data"]["data"], strict=True))
        numbers, texts = self.places
        return self._answer([columns[place] for place in numbers], [columns[place] for place in texts])

    def records(self, body: bytes) -> bytes:
        """Answer a list of objects."""
        rows = orjson.loads(body)["input_data"]
        return self._answer(
            [[row[name] for row in rows] for name in self.numbers], [[row[name] for row in rows] for name in self.texts]
        )

    def _answer(self, numbers: Any, texts: Any) -> bytes:
        feed = {
            "numbers": np.ascontiguousarray(np.array(numbers, np.float32).T),
            "texts": np.ascontiguousarray(np.array(texts, object).T),
        }
        return orjson.dumps({"probabilities": self.session.run(["probabilities"], feed)[0][:, 1].tolist()})


def frame(folder: Path) -> Callable[[bytes], bytes]:
    """Return the scoring function of a tutorial: json, a DataFrame, the pipeline."""
    path = folder / "model" / "model.skops"
    pipeline = skops.io.load(path, trusted=skops.io.get_untrusted_types(file=path))

    def answer(body: bytes) -> bytes:
        data = json.loads(body)["input_data"]
        rows = pd.DataFrame(data["data"], columns=data["columns"])[list(pipeline.feature_names_in_)]
        return json.dumps({"probabilities": pipeline.predict_proba(rows)[:, 1].tolist()}).encode()

    return answer


@threadpool_limits.wrap(limits=1)  # type: ignore[untyped-decorator, unused-ignore]
def measure(folder: Path, quick: bool) -> list[Figure]:
    """Measure all four; figures in microseconds."""
    root = stage.trained(folder, quick)
    scorer = score.Scorer(root, "m", "1", 1000, 1 << 23)
    floor, tutorial = Floor(root), frame(root)
    rounds = 30 if quick else 120
    figures = []
    for count in (1, 100):
        for shape, body in stage.bodies(count).items():
            least = getattr(floor, shape)
            ours = json.loads(scorer.answer(body))["probabilities"]
            if not np.allclose(ours, json.loads(least(body))["probabilities"], atol=1e-6):
                raise AssertionError("the floor scores another model")
            found = medians(
                {"ours": partial(scorer.answer, body), "floor": partial(least, body)},
                rounds,
                300 // count,
                time.process_time,
            )
            name = f"run(), {count} row{'s' * (count > 1)}, {shape}, µs: beside orjson + onnxruntime"
            figures.append(at_most(name, found["ours"] * 1e6, found["floor"] * 1e6, TIMES))
            if shape == "table":
                found = medians(
                    {"ours": partial(scorer.answer, body), "frame": partial(tutorial, body)},
                    max(rounds // 12, 9),
                    2,
                    time.process_time,
                )
                name = f"run(), {count} row{'s' * (count > 1)}, µs: beside json + DataFrame + pipeline"
                figures.append(at_most(name, found["ours"] * 1e6, found["frame"] * 1e6, 1 / 7))
    return figures
