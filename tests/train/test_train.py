"""The training script as the job calls it: its outputs, its messages, its exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from tests import own_data

import convert
import evaluate
import model
import train
from dataset import matching, prepare
from folder import read_folder

SCRIPT = Path(train.__file__)


def arguments(folder: Path, **changed: str) -> list[str]:
    options = {
        "data": str(folder / "dev"),
        "holdout": str(folder / "live"),
        "target": own_data.SETTINGS["target"],
        "positive": own_data.SETTINGS["positive"],
        "drop": own_data.SETTINGS["drop"],
        "time-column": own_data.SETTINGS["time_column"],
        "model": "logistic",
        "holdout-share": "0.2",
        "model-output": str(folder / "model"),
        "report-output": str(folder / "report"),
        **{name.replace("_", "-"): value for name, value in changed.items()},
    }
    return [part for name, value in options.items() for part in (f"--{name}", value)]


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The user's own data, trained once."""
    folder = tmp_path_factory.mktemp("own")
    own_data.write(folder)
    assert train.main(arguments(folder)) == 0
    return folder


def test_own_data_of_another_shape_trains_by_settings_alone(trained: Path) -> None:
    """Texts as target, booleans, missing cells and no time column: every output is there."""
    assert sorted(path.name for path in (trained / "model").iterdir()) == [
        "metrics.json",
        "model.onnx",
        "model.skops",
        "signature.json",
    ]
    for name in ("roc.png", "precision_recall.png", "calibration.png"):
        assert (trained / "report" / name).read_bytes().startswith(b"\x89PNG")


def test_the_metrics_hold_what_ops_read(trained: Path) -> None:
    """Split and holdout are measured apart, the data has a fingerprint, the libraries have versions."""
    metrics = read(trained / "model" / "metrics.json")
    assert metrics["rows"] == metrics["data"]["rows"] == own_data.ROWS["dev"]
    assert metrics["split"]["rows"] == own_data.ROWS["dev"] // 5
    assert metrics["holdout"]["rows"] == own_data.ROWS["live"]
    assert metrics["holdout"]["fingerprint"] != metrics["data"]["fingerprint"]
    assert metrics["holdout"]["auc"] > 0.7
    assert metrics["parity"]["max_abs_difference"] < convert.TOLERANCE
    assert metrics["served"] == "model.onnx"
    assert {"python", "scikit-learn", "onnx", "onnxruntime"} <= set(metrics["libraries"])
    assert metrics["data"]["files"] == ["part-1.csv", "part-2.csv.gz"]


def test_the_signature_describes_the_columns_of_a_request(trained: Path) -> None:
    """Names, types, where null is taken, and a summary of the training rows; no target, nothing dropped."""
    signature = read(trained / "model" / "signature.json")
    assert signature["labels"] == {"positive": "yes", "negative": "no"}
    columns = {column["name"]: column for column in signature["columns"]}
    assert list(columns) == ["age", "visits per month", "plan", "town", "has_trainer", "newsletter", "fee"]
    assert [columns[name]["type"] for name in ("age", "plan", "has_trainer")] == ["number", "text", "boolean"]
    assert [columns[name]["nullable"] for name in ("age", "plan", "newsletter")] == [False, True, True]
    assert columns["age"]["minimum"] >= 16
    assert len(columns["fee"]["edges"]) == 9
    assert sum(columns["fee"]["shares"]) == pytest.approx(1 - columns["fee"]["missing_share"], abs=1e-4)
    assert sum(columns["plan"]["categories"].values()) + columns["plan"]["missing_share"] == pytest.approx(1, abs=1e-5)


def test_the_skops_file_is_the_same_model(trained: Path) -> None:
    """The pipeline kept beside the graph answers as the graph does."""
    import skops.io

    data = prepare(read_folder(trained / "dev"), "left_club", "yes", ["member"], None)
    features, _ = matching(read_folder(trained / "live"), data, "left_club", "yes")
    pipeline = skops.io.load(trained / "model" / "model.skops", trusted=["numpy.dtype"])
    graph = (trained / "model" / "model.onnx").read_bytes()
    assert convert.difference(pipeline, graph, features, data.numbers) < convert.TOLERANCE


def test_the_holdout_is_measured_on_what_is_served(trained: Path) -> None:
    """By the graph's own answers, in single precision, and not by the pipeline's."""
    import skops.io

    data = prepare(read_folder(trained / "dev"), "left_club", "yes", ["member"], None)
    features, target = matching(read_folder(trained / "live"), data, "left_club", "yes")
    graph = (trained / "model" / "model.onnx").read_bytes()
    pipeline = skops.io.load(trained / "model" / "model.skops", trusted=["numpy.dtype"])
    by_graph = evaluate.measure(target, convert.predict(graph, features, data.numbers))["log_loss"]
    by_pipeline = evaluate.measure(target, pipeline.predict_proba(features)[:, 1])["log_loss"]
    measured = read(trained / "model" / "metrics.json")["holdout"]["log_loss"]
    assert measured == pytest.approx(by_graph, rel=1e-14)
    assert measured != pytest.approx(by_pipeline, rel=1e-14)


def test_a_graph_that_differs_on_the_holdout_only_is_refused(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Live rows hold what training never saw, here a town."""
    seen = [set(read_folder(trained / name).frame["town"]) for name in ("dev", "live")]
    new = sorted(seen[1] - seen[0])[0]
    right = convert.predict

    def wrong(graph: bytes, features: pd.DataFrame, numbers: int) -> Any:
        return np.where(features["town"] == new, 0.5, right(graph, features, numbers))

    monkeypatch.setattr(convert, "predict", wrong)
    assert train.main(arguments(trained, model_output=str(tmp_path), report_output=str(tmp_path))) == 0
    metrics = read(tmp_path / "metrics.json")
    assert metrics["served"] == "model.skops"
    assert "the graph differs from the pipeline by" in metrics["parity"]["reason"]


@pytest.mark.parametrize("kind", ["logistic", "boosted"])
def test_live_rows_that_lack_what_training_never_lacked_are_measured(trained: Path, tmp_path: Path, kind: str) -> None:
    """Scoring would refuse them; the graph answers as the pipeline does."""
    (tmp_path / "live").mkdir()
    frame = own_data.make(300, 7)
    frame["age"] = frame["age"].mask(np.arange(300) % 5 == 0)
    frame.to_csv(tmp_path / "live" / "rows.csv", index=False)
    changed = {"holdout": str(tmp_path / "live"), "model-output": str(tmp_path), "report-output": str(tmp_path)}
    assert train.main(arguments(trained, model=kind, **changed)) == 0
    assert read(tmp_path / "metrics.json")["served"] == "model.onnx"


def test_the_rows_as_they_were_read_are_let_go_of_before_the_fits(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They take as much memory as the features do."""
    read_once: list[weakref.ref[Any]] = []
    alive: list[bool] = []
    build = model.build

    def noted(*given: Any) -> Any:
        rows = read_folder(*given)
        read_once.append(weakref.ref(rows.frame))
        return rows

    def watched(*given: Any) -> Any:
        alive.append(read_once[0]() is not None)
        return build(*given)

    monkeypatch.setattr(train, "read_folder", noted)
    monkeypatch.setattr(model, "build", watched)
    assert train.main(arguments(trained, model_output=str(tmp_path), report_output=str(tmp_path))) == 0
    assert alive == [False, False]


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (
            lambda *_: (_ for _ in ()).throw(RuntimeError("no converter")),
            "does not convert: RuntimeError: no converter",
        ),
        (lambda *_: b"not a graph", "does not convert"),
    ],
)
def test_a_pipeline_without_a_graph_is_served_from_skops(
    trained: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    fault: Callable[..., bytes],
    reason: str,
) -> None:
    """The job goes on, says why, and leaves no graph that could be served by mistake."""
    (tmp_path / "model.onnx").write_bytes(b"of an earlier model")
    monkeypatch.setattr(convert, "to_graph", fault)
    assert train.main(arguments(trained, model_output=str(tmp_path), report_output=str(tmp_path))) == 0
    assert reason in capsys.readouterr().out
    assert read(tmp_path / "signature.json")["served"] == "model.skops"
    assert reason in read(tmp_path / "metrics.json")["parity"]["reason"]
    assert not (tmp_path / "model.onnx").exists()


class OfTheUser(LogisticRegression):
    """A classifier of a module that no endpoint has."""


def test_a_pipeline_that_could_not_be_served_is_refused(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a graph, and of types that the endpoint does not load: the job says which, not the deployment."""

    def own(*given: Any) -> Any:
        steps, _ = logistic(*given)
        return steps, OfTheUser()

    logistic = model.PIPELINES["logistic"]
    monkeypatch.setitem(model.PIPELINES, "logistic", own)
    monkeypatch.setattr(convert, "to_graph", lambda *_: b"not a graph")
    assert train.main(arguments(trained, model_output=str(tmp_path), report_output=str(tmp_path))) == 1
    said = capsys.readouterr().err
    assert "error: the pipeline has no graph, and could not be served without one" in said
    assert "OfTheUser" in said
    assert "name them in TRUSTED of src/train/model.py and of src/score/score.py" in said


def test_a_graph_that_differs_is_refused(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A graph that loads and runs, but is of another model, is not served."""
    opposite = tmp_path / "opposite"
    assert train.main(arguments(trained, positive="no", model_output=str(opposite), report_output=str(tmp_path))) == 0
    wrong = (opposite / "model.onnx").read_bytes()
    onnxruntime.InferenceSession(wrong)
    monkeypatch.setattr(convert, "to_graph", lambda *_: wrong)
    assert train.main(arguments(trained, model_output=str(tmp_path), report_output=str(tmp_path))) == 0
    assert "the graph differs from the pipeline by" in capsys.readouterr().out
    assert read(tmp_path / "metrics.json")["served"] == "model.skops"


def test_a_time_column_holds_out_the_latest_rows(tmp_path: Path) -> None:
    """The last fifth has no positive row before a known time, and the metrics say the ends."""
    rows = 500
    frame = pd.DataFrame(
        {
            "when": pd.date_range("2020-01-01", periods=rows, freq="h").strftime("%Y-%m-%dT%H:%M")[::-1],
            "x": np.arange(rows) % 11,
            "late": [int(n % (2 if n < 100 else 10) == 0) for n in range(rows)],
        }
    )
    (tmp_path / "dev").mkdir()
    frame.to_csv(tmp_path / "dev" / "rows.csv", index=False)
    changed = {"target": "late", "positive": "1", "drop": "none", "time-column": "when", "holdout": "none"}
    assert train.main(arguments(tmp_path, **changed)) == 0
    metrics = read(tmp_path / "model" / "metrics.json")
    assert metrics["split"]["positive_share"] == 0.5
    assert metrics["holdout"] is None
    assert metrics["data"]["first"] == "2020-01-01T00:00"
    assert metrics["data"]["last"] == "2020-01-21T19:00"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"data": "/nowhere"}, "error: /nowhere: no such folder"),
        ({"target": "absent"}, "error: target column 'absent' is not in"),
        ({"positive": "perhaps"}, "error: target 'left_club' is never 'perhaps'; it takes no, yes"),
        ({"drop": "none"}, "error: column 'member' has another text in nearly every row"),
        ({"model-output": "/dev/null/model"}, "error: /dev/null"),
    ],
)
def test_a_fault_is_one_line_and_exit_code_1(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], changed: dict[str, str], message: str
) -> None:
    """No traceback, no half-written model that looks whole."""
    changed = {"model-output": str(tmp_path / "m"), "report-output": str(tmp_path / "r"), **changed}
    assert train.main(arguments(trained, **changed)) == 1
    said = capsys.readouterr().err
    assert said.startswith(message)
    assert said.count("\n") == 1
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize("changed", [{"model": "forest"}, {"holdout-share": "0.9"}, {"holdout-share": "some"}])
def test_wrong_usage_is_exit_code_2(trained: Path, changed: dict[str, str]) -> None:
    """A value that the script does not know stops it before it reads anything."""
    with pytest.raises(SystemExit) as stop:
        train.main(arguments(trained, **changed))
    assert stop.value.code == 2


def test_it_runs_as_a_plain_script(trained: Path, tmp_path: Path) -> None:
    """From any folder, as an Azure ML job starts it; --debug shows where an error came from."""
    command = [sys.executable, str(SCRIPT), *arguments(trained, data=str(tmp_path)), "--debug"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "holds no .csv or .csv.gz file" in done.stderr
