"""The graph as a runtime of MLServer; two tensors, numbers and texts. The model's folder is in BENCH_MODEL."""

import os
from pathlib import Path

import numpy as np
from graph import Graph
from mlserver import MLModel
from mlserver.codecs import NumpyCodec, StringCodec
from mlserver.types import InferenceRequest, InferenceResponse


class Flights(MLModel):  # type: ignore[misc, unused-ignore]
    """One model in the server's own process."""

    async def load(self) -> bool:
        """Load the graph."""
        self.graph = Graph(Path(os.environ["BENCH_MODEL"]))
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Score numbers, and texts laid out row by row."""
        numbers, texts = payload.inputs
        rows = len(NumpyCodec.decode_input(numbers))
        cells = np.array(StringCodec.decode_input(texts), object).reshape(rows, -1)
        chances = self.graph.arrays(NumpyCodec.decode_input(numbers).astype(np.float32), cells)
        output = NumpyCodec.encode_output("probabilities", np.array(chances))
        return InferenceResponse(model_name=self.name, outputs=[output])
