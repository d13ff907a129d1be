"""Scoring scripts and YAML as other people write them: they run as they are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import requests
from azure.ai.ml import load_online_deployment
from azure.ai.ml.entities import ManagedOnlineEndpoint
from sklearn.linear_model import LinearRegression

pytestmark = pytest.mark.slow
YAML = """
name: {name}
endpoint_name: others
model:
  path: model/
code_configuration:
  code: {name}/
  scoring_script: score.py
environment:
  conda_file: conda.yml
  image: mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu20.04:latest
instance_type: Standard_DS3_v2
instance_count: 1
"""
CONDA = """
name: others
dependencies:
  - python=3.11
  - pip
  - pip:
      - -r requirements.txt
"""
DECORATED = """
import os
import joblib
import numpy as np
from inference_schema.parameter_types.numpy_parameter_type import NumpyParameterType
from inference_schema.schema_decorators import input_schema, output_schema

def init():
    global model
    model = joblib.load(os.path.join(os.getenv("AZUREML_MODEL_DIR"), "model/regression.pkl"))

@input_schema("data", NumpyParameterType(np.array([[1.0, 2.0]])))
@output_schema(NumpyParameterType(np.array([3.0])))
def run(data):
    return model.predict(data).tolist()
"""
RAW = """
import json
from azureml_inference_server_http.api.aml_request import AMLRequest, rawhttp
from azureml_inference_server_http.api.aml_response import AMLResponse

def init():
    pass

@rawhttp
def run(request: AMLRequest):
    if request.method != "POST":
        return AMLResponse("only POST", 405)
    return AMLResponse({"length": len(request.get_data())}, 200, {"X-Theirs": "yes"}, json_str=True)
"""


class Others:
    """An endpoint, and the files that somebody else keeps in a repository."""

    def __init__(self, client: Any, folder: Path) -> None:
        self.client = client
        self.folder = folder
        (folder / "model").mkdir()
        (folder / "conda.yml").write_text(CONDA)
        features = np.array([[1.0, 2.0], [2.0, 1.0], [0.0, 5.0]])
        joblib.dump(LinearRegression().fit(features, features.sum(axis=1)), folder / "model/regression.pkl")
        made = client.online_endpoints.begin_create_or_update(ManagedOnlineEndpoint(name="others")).result()
        self.address = made.scoring_uri
        self.key = client.online_endpoints.get_keys("others").primary_key

    def deploy(self, name: str, script: str) -> None:
        (self.folder / name).mkdir()
        (self.folder / name / "score.py").write_text(script)
        source = self.folder / f"{name}.yml"
        source.write_text(YAML.format(name=name))
        self.client.online_deployments.begin_create_or_update(load_online_deployment(source)).result()

    def call(self, name: str, method: str = "POST", path: str = "score", **more: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.key}", "azureml-model-deployment": name}
        address = self.address.rpartition("/")[0]
        return requests.request(method, f"{address}/{path}", headers=headers, timeout=30, **more)


@pytest.fixture(scope="module")
def others(ml_client: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Others]:
    yield Others(ml_client, tmp_path_factory.mktemp("others"))
    ml_client.online_endpoints.begin_delete("others").result()


def test_a_decorated_script_with_a_pickle_serves_and_describes_itself(others: Others) -> None:
    """joblib finds the model below its registered folder, inference_schema shapes the input and the swagger."""
    others.deploy("decorated", DECORATED)
    assert others.call("decorated", json={"data": [[1, 2], [10, 20]]}).json() == pytest.approx([3, 30])
    assert others.call("decorated", json={"other": 1}).headers["ms-azureml-model-error-statuscode"] == "400"
    described = others.call("decorated", "GET", "swagger.json").json()
    assert described["definitions"]["ServiceInput"]["example"] == {"data": [[1.0, 2.0]]}


def test_a_raw_script_gets_the_request_and_shapes_the_answer(others: Others) -> None:
    """Bytes in, its own headers out."""
    others.deploy("raw", RAW)
    answer = others.call("raw", data=b"\x00" * 7)
    assert (answer.json(), answer.headers["X-Theirs"]) == ({"length": 7}, "yes")
