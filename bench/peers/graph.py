"""The graph as a peer's own script would call it: no cell is checked. Needs numpy and onnxruntime alone."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime


class Graph:
    """A model's graph, and the order of its columns."""

    def __init__(self, folder: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(
            str(folder / "model" / "model.onnx"), options, providers=["CPUExecutionProvider"]
        )
        columns = json.loads((folder / "model" / "signature.json").read_text())["columns"]
        self.numbers = [column["name"] for column in columns if column["type"] != "text"]
        self.texts = [column["name"] for column in columns if column["type"] == "text"]

    def rows(self, names: list[str], rows: list[list[Any]]) -> list[float]:
        """Score rows whose cells are named."""
        columns = dict(zip(names, zip(*rows, strict=True), strict=True))
        numbers = np.array([columns[name] for name in self.numbers], np.float32).T
        return self.arrays(numbers, np.array([columns[name] for name in self.texts], object).T)

    def arrays(self, numbers: Any, texts: Any) -> list[float]:
        """Score numbers (float32) and texts (object), rows by columns."""
        feed = {"numbers": np.ascontiguousarray(numbers), "texts": np.ascontiguousarray(texts)}
        answer: list[float] = self.session.run(["probabilities"], feed)[0][:, 1].tolist()
        return answer
