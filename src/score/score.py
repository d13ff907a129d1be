"""What the inference server runs: `init` loads the model, `run` is parse, predict, shape.

The model is looked for anywhere below AZUREML_MODEL_DIR, since a registered folder keeps its name there. Its name
and version are MODEL_NAME and MODEL_VERSION or, without them, read from that path, which on Azure is
/var/azureml-app/azureml-models/<name>/<version>.

Environment: AZUREML_MODEL_DIR; MODEL_NAME, MODEL_VERSION; SCORE_MAX_ROWS (1000) rows a request;
SCORE_MAX_BYTES (8388608) bytes a request. What goes wrong in `init` ends the server, and its log says why.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import orjson
from azureml_inference_server_http.api.aml_request import rawhttp
from azureml_inference_server_http.api.aml_response import AMLResponse
from numpy.typing import NDArray

from payload import BadRequest, Batch, Reader, Writer, refusal

Predict = Callable[[Batch], NDArray[np.float32]]
JSON = {"Content-Type": "application/json"}
# What skops does not trust by itself and the pipelines of train hold: data types, folds, trees. Anything else is
# refused: loading a model must not run the code of whoever wrote it.
TRUSTED = {
    "numpy.dtype",
    "sklearn._loss.link.Interval",
    "sklearn._loss.link.LogitLink",
    "sklearn._loss.loss.HalfBinomialLoss",
    "sklearn.ensemble._hist_gradient_boosting.binning._BinMapper",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.model_selection._split.StratifiedKFold",
}


class ModelError(Exception):
    """The model folder does not hold a model that can be served; the text says what was looked for."""


class Scorer:
    """A loaded model: from a request's bytes to an answer's."""

    def __init__(self, folder: Path, name: str | None, version: str | None, most_rows: int, most_bytes: int) -> None:
        path = _find(folder, "signature.json")
        try:
            signature = orjson.loads(path.read_bytes())
            served = signature["served"]
            self._reader = Reader(signature, most_rows)
            self._writer = Writer(signature, name, version)
        except (orjson.JSONDecodeError, KeyError, TypeError) as error:
            raise ModelError(f"{path} is not a signature: {error!r}") from error
        # Beside the signature, not anywhere: two models in one folder must not be mixed.
        model = path.parent / served
        if not model.is_file():
            raise ModelError(f"{path} says that {served} is served, and there is none beside it")
        self._predict = _graph(model) if served == "model.onnx" else _pipeline(model, signature)
        self.most_bytes = most_bytes

    def answer(self, body: bytes) -> bytes:
        """Score one body. Raise BadRequest."""
        if len(body) > self.most_bytes:
            raise BadRequest(f"the body has more than {self.most_bytes} bytes")
        batch = self._reader.read(body)
        return self._writer.write(self._predict(batch))


_scorer: Scorer


def init() -> None:
    """Load the model. Raise ModelError if there is none."""
    logging.getLogger("azmlinfsrv").addFilter(_worth_a_line)
    global _scorer  # noqa: PLW0603  the server calls two functions of a module, and this is between them
    root = os.environ.get("AZUREML_MODEL_DIR", "")
    if not root:
        raise ModelError("AZUREML_MODEL_DIR is not set")
    name, version = identity(root)
    _scorer = Scorer(
        Path(root),
        os.environ.get("MODEL_NAME", name),
        os.environ.get("MODEL_VERSION", version),
        int(os.environ.get("SCORE_MAX_ROWS", "1000")),
        int(os.environ.get("SCORE_MAX_BYTES", str(8 * 1024 * 1024))),
    )


def _worth_a_line(record: logging.LogRecord) -> bool:
    """Keep what the server says, but for the line that it adds to each request's own when `run` answers HTTP itself."""
    return record.msg != "run() output is HTTP Response"


@rawhttp  # type: ignore[untyped-decorator, unused-ignore]
def run(request: Any) -> Any:
    """Answer one HTTP request: 200 with predictions, 400 with the reason, 405 for anything but POST."""
    if request.method != "POST":
        return AMLResponse(refusal("send a POST"), 405, {**JSON, "Allow": "POST"})
    try:
        # One byte past the limit is enough to refuse a body, however long it goes on.
        return AMLResponse(_scorer.answer(request.stream.read(_scorer.most_bytes + 1)), 200, JSON)
    except BadRequest as error:
        return AMLResponse(refusal(str(error)), 400, JSON)


def identity(model_dir: str) -> tuple[str | None, str | None]:
    """Read the model's name and version from AZUREML_MODEL_DIR: the two parts after `azureml-models`.

    Elsewhere: the last part that is a whole number, and the part before it; without one, neither is known.
    """
    parts = PurePath(model_dir).parts
    if "azureml-models" in parts:
        after = parts[parts.index("azureml-models") + 1 :]
        if len(after) >= 2:
            return after[0], after[1]
    for place in range(len(parts) - 1, 0, -1):
        if parts[place].isdecimal():
            return parts[place - 1], parts[place]
    return None, None


def _find(folder: Path, name: str) -> Path:
    found = sorted(folder.rglob(name))
    if len(found) == 1:
        return found[0]
    fault = "there is none" if not found else "there are " + ", ".join(map(str, found))
    raise ModelError(f"one {name} is needed below {folder}: {fault}")


def _graph(path: Path) -> Predict:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # A server has as many workers as it should use cores; a pool for each call would make them fight.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    inputs = {given.name for given in session.get_inputs()}

    def predict(batch: Batch) -> NDArray[np.float32]:
        feed: dict[str, Any] = {}
        if "numbers" in inputs:
            feed["numbers"] = batch.numbers
        if "texts" in inputs:
            feed["texts"] = batch.texts
        both: NDArray[np.float32] = session.run(["probabilities"], feed)[0]
        return both[:, 1]

    return predict


def _pipeline(path: Path, signature: dict[str, Any]) -> Predict:
    import pandas as pd
    import skops.io

    strange = sorted(set(skops.io.get_untrusted_types(file=path)) - TRUSTED)
    if strange:
        raise ModelError(f"{path} holds types that are not trusted: {', '.join(strange)}")
    pipeline = skops.io.load(path, trusted=sorted(TRUSTED))
    kinds = [(column["name"], column["type"] == "text") for column in signature["columns"]]
    numbers = [name for name, text in kinds if not text]
    texts = [name for name, text in kinds if text]

    def predict(batch: Batch) -> NDArray[np.float32]:
        parts = [pd.DataFrame(batch.numbers, columns=numbers)] if numbers else []
        parts += [pd.DataFrame(batch.texts, columns=texts)] if texts else []
        both = pipeline.predict_proba(pd.concat(parts, axis=1))
        column: NDArray[np.float32] = both[:, 1].astype(np.float32)
        return column

    return predict
