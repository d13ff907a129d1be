"""The scoring script: what it loads, what it refuses to load, what it does not import."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from tests import own_data

import score


def scorer(folder: Path, **changed: Any) -> score.Scorer:
    options: dict[str, Any] = {"name": "club", "version": "1", "most_rows": 1000, "most_bytes": 1_000_000}
    return score.Scorer(folder, **{**options, **changed})


def body() -> bytes:
    return json.dumps(own_data.sample()).encode()


@pytest.mark.parametrize(
    ("path", "known"),
    [
        ("/var/azureml-app/azureml-models/flights/12", ("flights", "12")),
        ("/var/azureml-app/azureml-models/flights/beta/model", ("flights", "beta")),
        ("/somewhere/models/flights/3/", ("flights", "3")),
        ("/somewhere/2/flights/3/INPUT_model_path", ("flights", "3")),
        ("/somewhere/model", (None, None)),
        ("", (None, None)),
    ],
)
def test_name_and_version_are_read_from_the_path(path: str, known: tuple[str | None, str | None]) -> None:
    """As Azure lays it out, with or without a folder below."""
    assert score.identity(path) == known


def test_the_graph_and_the_pipeline_answer_alike(models: Path) -> None:
    """Version 2 is version 1 served from skops."""
    one, two = (orjson.loads(scorer(models / version).answer(body())) for version in ("1", "2"))
    assert np.allclose(one["probabilities"], two["probabilities"], atol=1e-5)
    assert one["predictions"] == two["predictions"]
    assert set(one["predictions"]) <= {"yes", "no"}


def test_boosting_is_served_from_skops_too(models: Path) -> None:
    """Its trees are trusted by name, and answer as the graph does."""
    folder = models / "3" / "model"
    from_skops = orjson.loads(scorer(folder).answer(body()))["probabilities"]
    import onnxruntime

    batch = scorer(folder)._reader.read(body())
    session = onnxruntime.InferenceSession(str(folder / "graph"))
    both = session.run(["probabilities"], {"numbers": batch.numbers, "texts": batch.texts})[0]
    assert np.allclose(from_skops, both[:, 1], atol=1e-5)


def test_an_unseen_category_is_scored_as_unknown(models: Path) -> None:
    """Not refused: two texts that training never saw get one answer, a learned one gets another."""
    sample = own_data.sample()
    place = sample["input_data"]["columns"].index("plan")
    answers = []
    for plan in ("never seen", "nor this", "basic"):
        for row in sample["input_data"]["data"]:
            row[place] = plan
        answers.append(orjson.loads(scorer(models / "1").answer(json.dumps(sample).encode()))["probabilities"])
    assert answers[0] == answers[1] != answers[2]


def test_too_large_a_body_is_refused(models: Path) -> None:
    """Before it is parsed."""
    with pytest.raises(score.BadRequest, match="more than 10 bytes"):
        scorer(models / "1", most_bytes=10).answer(body())


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda folder: (folder / "signature.json").unlink(), "one signature.json is needed below .*: there is none"),
        (lambda folder: (folder / "signature.json").write_text("{"), "is not a signature"),
        (lambda folder: (folder / "signature.json").write_text("{}"), "is not a signature"),
        (lambda folder: (folder / "model.onnx").unlink(), "says that model.onnx is served, and there is none"),
        (lambda folder: shutil.copytree(folder, folder / "again"), "there are .*signature.json, .*signature.json"),
    ],
)
def test_a_folder_without_a_whole_model_is_refused(models: Path, tmp_path: Path, spoil: Any, reason: str) -> None:
    """Each fault is a ModelError that names the file."""
    folder = tmp_path / "model"
    shutil.copytree(models / "1" / "model", folder)
    spoil(folder)
    with pytest.raises(score.ModelError, match=reason):
        scorer(tmp_path)


def test_a_pickled_stranger_in_skops_is_refused(models: Path, tmp_path: Path) -> None:
    """A type that is not on the list is not loaded, whoever registered the model."""
    import skops.io

    shutil.copytree(models / "2" / "model", tmp_path / "model")
    skops.io.dump({"stranger": subprocess.CalledProcessError}, tmp_path / "model" / "model.skops")
    with pytest.raises(score.ModelError, match=r"types that are not trusted: .*CalledProcessError"):
        scorer(tmp_path)


def test_serving_a_graph_imports_neither_pandas_nor_scikit_learn(models: Path) -> None:
    """In a process of its own, from init to an answer."""
    code = (
        "import sys, score\n"
        "score.init()\n"
        "score._scorer.answer(sys.stdin.buffer.read())\n"
        "print([name for name in ('pandas', 'sklearn', 'scipy', 'skops', 'onnx') if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=body(),
        capture_output=True,
        cwd=Path(score.__file__).parent,
        env={"AZUREML_MODEL_DIR": str(models / "1")},
        timeout=60,
        check=True,
    )
    assert done.stdout.decode().strip() == "[]"


def test_init_without_a_model_folder_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """The log of a deployment that was given no model tells why it died."""
    monkeypatch.delenv("AZUREML_MODEL_DIR", raising=False)
    with pytest.raises(score.ModelError, match="AZUREML_MODEL_DIR is not set"):
        score.init()
