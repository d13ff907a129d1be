"""MLflow models that are deployed without a scoring script, as the service serves them."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import requests
from azure.ai.ml.entities import ManagedOnlineDeployment, ManagedOnlineEndpoint, Model
from azure.core.exceptions import HttpResponseError
from sklearn.linear_model import LinearRegression

# MLflow takes seconds to import: only those who run these tests shall wait for it.
pytestmark = pytest.mark.slow

ROWS = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": [0.0, 1.0, 0.0]})


MLMODEL = """
flavors:
  python_function:
    loader_module: mlflow.sklearn
    model_path: model.pkl
  sklearn:
    pickled_model: model.pkl
    serialization_format: cloudpickle
signature:
  inputs: '[{"name": "a", "type": "double"}, {"name": "b", "type": "double"}]'
  outputs: '[{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1]}}]'
"""


def save(folder: Path) -> Path:
    """Write an MLflow model that adds a and b: by hand, for MLflow takes ten seconds to write one."""
    folder.mkdir()
    (folder / "MLmodel").write_text(MLMODEL)
    (folder / "model.pkl").write_bytes(pickle.dumps(LinearRegression().fit(ROWS, ROWS.sum(axis=1))))
    return folder


@pytest.fixture(scope="module")
def script() -> Any:
    from local.serving.without_script import score

    return score


@pytest.fixture(scope="module")
def schema() -> Any:
    from mlflow.models import infer_signature

    return infer_signature(ROWS).inputs


@pytest.mark.parametrize(
    "data",
    [
        {"columns": ["a", "b"], "index": [5], "data": [[1, 2]]},
        {"columns": ["b", "a"], "data": [[2, 1]]},
        [{"a": 1, "b": 2}],
        [[1, 2]],
    ],
)
def test_a_table_is_read_in_every_way_of_writing_it(script: Any, schema: Any, data: Any) -> None:
    """With whole numbers where the schema has doubles, and the columns by name."""
    table, params = script.read(json.dumps({"input_data": data, "params": {"deep": 1}}), schema)
    assert table[["a", "b"]].to_numpy().tolist() == [[1.0, 2.0]]
    assert set(table.dtypes) == {np.dtype("float64")}
    assert params == {"deep": 1}


def test_tensors_are_read_as_their_schema_says(script: Any) -> None:
    """One without a name as an array, named ones as an object of arrays."""
    from mlflow.types import Schema, TensorSpec

    one = Schema([TensorSpec(np.dtype("float32"), (-1, 2))])
    found, _ = script.read('{"input_data": [[1, 2]]}', one)
    assert (found.dtype, found.tolist()) == (np.float32, [[1.0, 2.0]])
    two = Schema([TensorSpec(np.dtype("int64"), (-1,), "x"), TensorSpec(np.dtype("int64"), (-1,), "y")])
    found, _ = script.read('{"input_data": {"x": [1], "y": [2]}}', two)
    assert {name: value.tolist() for name, value in found.items()} == {"x": [1], "y": [2]}


@pytest.mark.parametrize(
    "body", ["{", "[]", '{"data": [[1, 2]]}', '{"input_data": {"columns": ["a"], "data": [[1, 2]]}}']
)
def test_what_is_no_request_is_unusable(script: Any, schema: Any, body: str) -> None:
    """It is refused here, before the model sees it."""
    with pytest.raises(script.Unusable):
        script.read(body, schema)


def test_predictions_become_plain(script: Any) -> None:
    """Arrays and series as lists, tables as lists of objects."""
    assert script.plain(np.array([[1.5], [2.0]])) == [[1.5], [2.0]]
    assert script.plain(pd.Series([1, 2])) == [1, 2]
    assert script.plain(pd.DataFrame({"p": [0.5]})) == [{"p": 0.5}]


def test_the_model_is_found_below_the_folder(script: Any, tmp_path: Path) -> None:
    """A registered folder keeps its own name, and may hold other models further down."""
    for path in ("mine", "mine/parts/inner"):
        (tmp_path / path).mkdir(parents=True)
        (tmp_path / path / "MLmodel").touch()
    assert script.find(tmp_path) == tmp_path / "mine"
    with pytest.raises(FileNotFoundError, match="not an MLflow model"):
        script.find(tmp_path / "mine/parts/nothing")


@pytest.fixture
def endpoint(ml_client: Any) -> Iterator[str]:
    ml_client.online_endpoints.begin_create_or_update(ManagedOnlineEndpoint(name="scriptless")).result()
    yield "scriptless"
    ml_client.online_endpoints.begin_delete("scriptless").result()


def test_an_mlflow_model_needs_no_script(ml_client: Any, endpoint: str, tmp_path: Path) -> None:
    """Neither script nor environment: it answers, and what does not fit is the model's 400, a 424 to the caller."""
    model = Model(name="scriptless", path=str(save(tmp_path / "flow")), type="mlflow_model")
    named: dict[str, Any] = {"name": "blue", "endpoint_name": endpoint, "instance_type": "Standard_DS3_v2"}
    ml_client.online_deployments.begin_create_or_update(
        ManagedOnlineDeployment(**named, model=model, instance_count=1)
    ).result()
    found = ml_client.online_endpoints.get(endpoint)
    key = ml_client.online_endpoints.get_keys(endpoint).primary_key
    headers = {"Authorization": f"Bearer {key}", "azureml-model-deployment": "blue"}

    def ask(data: Any) -> requests.Response:
        return requests.post(found.scoring_uri, json={"input_data": data}, headers=headers, timeout=30)

    assert ask({"columns": ["a", "b"], "data": [[1, 2], [3, 4]]}).json() == pytest.approx([3.0, 7.0])
    refused = ask({"columns": ["a"], "data": [[1]]})
    assert (refused.status_code, refused.headers["ms-azureml-model-error-statuscode"]) == (424, "400")
    assert "missing" in refused.text


def test_any_other_model_needs_one(ml_client: Any, endpoint: str, tmp_path: Path) -> None:
    """Serving a model from an image of its own is not done, and says so."""
    (tmp_path / "weights.txt").write_text("1")
    deployment = ManagedOnlineDeployment(
        name="blue",
        endpoint_name=endpoint,
        model=Model(name="plain", path=str(tmp_path / "weights.txt")),
        instance_type="Standard_DS3_v2",
        instance_count=1,
    )
    with pytest.raises(HttpResponseError, match="custom_model without a scoring script") as refused:
        ml_client.online_deployments.begin_create_or_update(deployment)
    assert refused.value.status_code == 501
