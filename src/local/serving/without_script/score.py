"""Serve an MLflow model that was deployed without a scoring script. A script, run by the inference server.

It stands where the service puts one of its own. A request is {"input_data": ...}, with "params" beside it for a model
that takes some: a table as {"columns", "index", "data"} or as a list of objects, a tensor as a list, named tensors as
an object of lists (Microsoft's "Deploy MLflow models to online endpoints"). What does not fit is a 400 with the reason.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import mlflow.pyfunc
import pandas as pd
from azureml_inference_server_http.api.aml_response import AMLResponse
from mlflow.exceptions import MlflowException
from mlflow.utils import proto_json_utils

KEY = "input_data"

# The inference server calls init once, and run for each request.
_loaded: list[Any] = []


class Unusable(ValueError):
    """The request is not one that the model can answer."""


def find(folder: Path) -> Path:
    """Return the folder of the model at or below another: the one with the file MLmodel nearest to the top."""
    found = sorted(folder.rglob("MLmodel"), key=lambda path: (len(path.parts), path))
    if not found:
        raise FileNotFoundError(f"There is no file MLmodel in {folder}: this is not an MLflow model")
    return found[0].parent


def read(body: str, schema: Any) -> tuple[Any, Any]:
    """Return the model's input and its params, in the types of the model's schema if it has one.

    Raises:
        Unusable: the body is no JSON, has another shape, or does not fit the schema.
    """
    try:
        given = json.loads(body)
    except ValueError as error:
        raise Unusable(f"The request is not JSON: {error}") from error
    if not isinstance(given, dict) or KEY not in given:
        raise Unusable(f"Request must contain a top level key named '{KEY}'")
    data = given[KEY]
    try:
        if isinstance(data, dict) and "data" in data:
            table = {key: data[key] for key in ("columns", "index", "data") if key in data}
            return proto_json_utils.dataframe_from_parsed_json(table, "split", schema), given.get("params")
        if isinstance(data, list) and data and all(isinstance(row, dict) for row in data):
            return proto_json_utils.dataframe_from_parsed_json(data, "records", schema), given.get("params")
        if isinstance(data, list) and schema is not None and not schema.is_tensor_spec():
            table = {"columns": schema.input_names(), "data": data}
            return proto_json_utils.dataframe_from_parsed_json(table, "split", schema), given.get("params")
        return proto_json_utils.parse_inputs_data(data, schema), given.get("params")
    except (MlflowException, ValueError, TypeError, KeyError) as error:
        raise Unusable(f"{KEY} does not fit the model: {error}") from error


def plain(predictions: Any) -> Any:
    """Return predictions as JSON can write them: a table as a list of objects, an array as a list."""
    if isinstance(predictions, pd.DataFrame):
        predictions = predictions.to_dict(orient="records")
    elif isinstance(predictions, pd.Series):
        predictions = predictions.to_list()
    return json.loads(json.dumps(predictions, cls=proto_json_utils.NumpyEncoder))


def init() -> None:
    """Load the model of the deployment."""
    _loaded[:] = [mlflow.pyfunc.load_model(str(find(Path(os.environ["AZUREML_MODEL_DIR"]))))]


def run(raw_data: str) -> Any:
    """Answer one request."""
    [model] = _loaded
    try:
        data, params = read(raw_data, model.metadata.get_input_schema())
        return plain(model.predict(data, params=params))
    except (Unusable, MlflowException) as error:
        return AMLResponse({"message": str(error)}, 400, json_str=True)
