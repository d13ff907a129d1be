"""A scoring script as tutorials have it: the pickled pipeline, a DataFrame, no check of the request."""

import json
import os
from pathlib import Path
from typing import Any

import joblib
import pandas as pd


def init() -> None:
    """Load the pipeline."""
    global model  # noqa: PLW0603
    model = joblib.load(Path(os.environ["AZUREML_MODEL_DIR"]) / "model.joblib")


def run(raw: str) -> dict[str, Any]:
    """Score columns and rows."""
    data = json.loads(raw)["input_data"]
    rows = pd.DataFrame(data["data"], columns=data["columns"])[list(model.feature_names_in_)]
    chances = model.predict_proba(rows)[:, 1]
    return {"predictions": (chances >= 0.5).astype(int).tolist(), "probabilities": chances.tolist()}
