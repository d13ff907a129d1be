"""Train a classifier on a folder of CSV and write it as a graph that scoring needs no scikit-learn for.

    python train.py --data DIR --holdout DIR|none --target NAME --positive VALUE --drop "a,b"|none
        --time-column NAME|none --model logistic|boosted --holdout-share 0.2
        --model-output DIR --report-output DIR [--debug]

The last `holdout-share` of the rows in time (without a time column: a seeded random share) are set aside, a
model of the others is measured on them, and then the served model is fitted on all rows: the newest rows are
the likest to tomorrow's. Measured on the flights of October to December, leaving the last fifth of January to
September out costs 0.002 of AUC and 0.0013 of Brier score (boosted: 0.008 and 0.0028). So "split" measures the
recipe on rows it has not seen, and "holdout", rows of another folder, measures the served model itself.

model-output gets four files.

model.onnx, model.skops
    The graph, and the scikit-learn pipeline. `served` says which of them scoring loads: the graph, unless it
    could not be made or differs from the pipeline (then there is no model.onnx).
signature.json
    {"target", "positive", "labels": {"positive", "negative"}, "threshold", "served",
     "columns": [{"name", "type": "number"|"boolean"|"text", "nullable", "missing_share",
                  number: "minimum", "maximum", "edges" (the deciles, each once), "shares" (of the rows below the
                  first edge, from each edge to the next, and from the last on);
                  text: "categories": {text: share} (the 50 commonest)}]}
    `columns` is what a request must send. `labels` are the target's own values; with more than two of them
    the negative label is "not <positive>".
metrics.json
    {"rows", "positive_share", "split": MEASURES, "holdout": {"fingerprint", MEASURES} or null, "model",
     "served", "parity": {"max_abs_difference", "rows", "reason"}, "libraries": {name: version},
     "data": {"fingerprint", "files", "rows", "unlabelled", "first", "last"}, "seconds"}
    MEASURES are those of evaluate.py. `parity` compares the graph with the pipeline on training rows, odd ones
    and rows of the holdout; `parity.reason` says why the graph is not served, null if it is. A fingerprint is
    sha256 over the text of the folder's files in order of name.

report-output gets roc.png, precision_recall.png and calibration.png, of the holdout if there is one, and then also
holdout.csv.gz: the outcome (0 or 1) of each row and the served model's probability, to compare two models by.

Exit code 0: done. 1: the data or the outputs do not allow it, one line on standard error says why. 2: wrong usage.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import convert
import evaluate
import model
import outputs
import plots
import signature
import tracking
from dataset import Dataset, matching, prepare
from errors import DataError, OutputError, TrainingError
from folder import read_folder

LIBRARIES = ("scikit-learn", "numpy", "pandas", "onnx", "skl2onnx", "onnxruntime", "skops")
SEED = 0


class Later(NamedTuple):
    """The rows of --holdout, shaped as the training rows are."""

    fingerprint: str
    features: pd.DataFrame
    target: NDArray[np.int64]


def main(argv: list[str] | None = None) -> int:
    """Parse, train, and turn a TrainingError into a line and exit code 1."""
    options = _parser().parse_args(argv)
    # Said of a column with few distinct values, whose bins are rightly fewer.
    warnings.filterwarnings("ignore", message="Bins whose width are too small")
    warnings.filterwarnings("ignore", message="Feature .* is constant and will be replaced")
    try:
        run(options)
    except TrainingError as error:
        if options.debug:
            raise
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def run(options: argparse.Namespace) -> None:
    """Train as the options say and write every output."""
    started = time.perf_counter()
    # The rows as they were read are needed no longer then: they would stay beside the features through both fits.
    data = prepare(read_folder(options.data), options.target, options.positive, options.drop, options.time_column)
    print(f"read {len(data.target):,} rows with {len(data.columns)} features from {len(data.files)} files")
    if data.unlabelled:
        print(f"left out {data.unlabelled:,} rows without {options.target}")
    split, forecast = _measure_split(data, options)
    print(f"split: {_line(split)}")
    pipeline = model.build(options.model, data.features, data.numbers)
    pipeline.fit(data.features, data.target)
    later = _later(data, options) if options.holdout else None
    graph, parity = convert.compared(pipeline, data, later.features if later else None)
    served = "model.onnx" if graph else "model.skops"
    print(f"{served} is served" + (f": {parity['reason']}" if parity["reason"] else ""))
    holdout = None
    if later:
        probability = (
            convert.predict(graph, later.features, data.numbers)
            if graph
            else pipeline.predict_proba(later.features)[:, 1]
        )
        holdout = {"fingerprint": later.fingerprint, **evaluate.measure(later.target, probability)}
        forecast = later.target, probability
        print(f"holdout: {_line(holdout)}")
    metrics = {
        "rows": len(data.target),
        "positive_share": float(data.target.mean()),
        "split": split,
        "holdout": holdout,
        "model": options.model,
        "served": served,
        "parity": parity,
        "libraries": _libraries(),
        "data": {
            "fingerprint": data.fingerprint,
            "files": list(data.files),
            "rows": len(data.target),
            "unlabelled": data.unlabelled,
            "first": data.first,
            "last": data.last,
        },
        "seconds": 0.0,
    }
    described = signature.describe(data, options.target, options.positive, served)
    try:
        outputs.write_model(options.model_output, pipeline, graph, described)
        options.report_output.mkdir(parents=True, exist_ok=True)
        if holdout:
            outputs.write_forecast(options.report_output / "holdout.csv.gz", *forecast)
        plots.draw(options.report_output, *forecast, holdout or split, "holdout" if holdout else "split")
        metrics["seconds"] = round(time.perf_counter() - started, 3)
        outputs.write_json(options.model_output / "metrics.json", metrics)
    except OSError as error:
        raise OutputError(f"{error.filename or options.model_output}: {error.strerror}") from error
    _track(options, metrics)
    print(f"done in {time.perf_counter() - started:.1f} s")


def _measure_split(data: Dataset, options: argparse.Namespace) -> tuple[dict[str, Any], tuple[Any, Any]]:
    """Fit on the first rows, measure on the last ones (or a seeded random share of them)."""
    order = np.arange(len(data.target))
    if not options.time_column:
        order = np.random.default_rng(SEED).permutation(order)
    cut = len(order) - max(1, round(len(order) * options.holdout_share))
    before, after = order[:cut], order[cut:]
    for part, name in ((before, "earlier"), (after, "held-out")):
        if len(np.unique(data.target[part])) < 2:
            raise DataError(
                f"all {len(part)} {name} rows have the same {options.target}: "
                "set another holdout share, or no time column"
            )
    features = data.features.iloc[before]
    pipeline = model.build(options.model, features, data.numbers).fit(features, data.target[before])
    probability = pipeline.predict_proba(data.features.iloc[after])[:, 1]
    return evaluate.measure(data.target[after], probability), (data.target[after], probability)


def _later(data: Dataset, options: argparse.Namespace) -> Later:
    rows = read_folder(options.holdout, [column.name for column in data.columns if column.type == "text"])
    features, target = matching(rows, data, options.target, options.positive)
    return Later(rows.fingerprint, features, target)


def _track(options: argparse.Namespace, metrics: dict[str, Any]) -> None:
    params = {"model": options.model, "target": options.target, "rows": metrics["rows"], "served": metrics["served"]}
    numbers = {
        f"{part}_{name}": value
        for part in ("split", "holdout")
        for name, value in (metrics[part] or {}).items()
        if isinstance(value, float)
    }
    warning = tracking.track(params, numbers)
    if warning:
        print(f"warning: {warning}", file=sys.stderr)


def _libraries() -> dict[str, str]:
    return {"python": ".".join(map(str, sys.version_info[:3]))} | {name: metadata.version(name) for name in LIBRARIES}


def _line(measured: dict[str, Any]) -> str:
    shown = ", ".join(f"{name} {measured[name]:.4f}" for name in ("auc", "average_precision", "brier"))
    return f"{measured['rows']:,} rows, {shown}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Train a classifier on a folder of CSV files.")
    parser.add_argument("--data", type=Path, required=True, help="folder of .csv or .csv.gz files")
    parser.add_argument("--holdout", type=_path_or_none, help="another such folder to measure on, or none")
    parser.add_argument("--target", required=True, help="the column to predict")
    parser.add_argument("--positive", required=True, help="the target's value that counts as positive")
    parser.add_argument("--drop", type=_names, default=[], help="columns to leave out, with commas between, or none")
    parser.add_argument("--time-column", type=_name_or_none, help="the column that orders the rows, or none")
    parser.add_argument("--model", choices=tuple(model.PIPELINES), default="logistic", help="which pipeline")
    parser.add_argument("--holdout-share", type=_share, default=0.2, help="share of rows to measure on, as 0.2")
    parser.add_argument("--model-output", type=Path, required=True, help="folder for the model")
    parser.add_argument("--report-output", type=Path, required=True, help="folder for the plots")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return parser


def _name_or_none(text: str) -> str | None:
    return None if text.strip().lower() in ("none", "") else text.strip()


def _path_or_none(text: str) -> Path | None:
    name = _name_or_none(text)
    return Path(name) if name else None


def _names(text: str) -> list[str]:
    name = _name_or_none(text)
    return [part.strip() for part in name.split(",") if part.strip()] if name else []


def _share(text: str) -> float:
    share = float(text)
    if not 0.05 <= share <= 0.5:
        raise argparse.ArgumentTypeError(f"{text} is not between 0.05 and 0.5")
    return share


if __name__ == "__main__":
    sys.exit(main())
