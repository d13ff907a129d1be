"""The graph behind BentoML, served by `bentoml serve bento:Flights`; the model's folder is in BENCH_MODEL."""

import os
from pathlib import Path
from typing import Any

import bentoml
from graph import Graph


@bentoml.service(workers=1, metrics={"enabled": False}, logging={"access": {"enabled": False}})
class Flights:
    """One worker."""

    def __init__(self) -> None:
        self.graph = Graph(Path(os.environ["BENCH_MODEL"]))

    @bentoml.api
    async def predict(self, input_data: dict[str, Any]) -> dict[str, Any]:
        """Score a table."""
        return {"probabilities": self.graph.rows(input_data["columns"], input_data["data"])}
