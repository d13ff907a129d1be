"""The graph as an MLflow model, for `mlflow models serve`: MODEL_FOLDER TARGET writes it."""

import sys
from pathlib import Path
from typing import Any

import mlflow.pyfunc
from graph import Graph


class Flights(mlflow.pyfunc.PythonModel):  # type: ignore[misc, unused-ignore]
    """MLflow hands a DataFrame over, whatever the model needs."""

    def load_context(self, context: Any) -> None:
        """Load the graph."""
        self.graph = Graph(Path(context.artifacts["model"]))

    def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
        """Score a DataFrame."""
        numbers = model_input[self.graph.numbers].to_numpy("float32")
        return self.graph.arrays(numbers, model_input[self.graph.texts].to_numpy(object))


if __name__ == "__main__":
    mlflow.pyfunc.save_model(
        sys.argv[2],
        python_model=Flights(),
        artifacts={"model": sys.argv[1]},
        code_paths=[str(Path(__file__).with_name("graph.py"))],
        pip_requirements=["onnxruntime"],
    )
