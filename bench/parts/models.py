"""What do other algorithms cost to serve? `PYTHONPATH=src python -m bench --only models`.

Histogram boosting with target encoding and a random forest, each as its graph, from bytes to bytes by the script's
Scorer in both shapes, beside the least that any script could do with that graph (scoring.Floor). And a pipeline that
does not convert (a kernel approximation), served from model.skops as training falls back to, beside the same pipeline
on a DataFrame. A quick run leaves it out.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import skops.io
from bench.figures import Figure, at_most, unaimed
from bench.parts.scoring import TIMES, Floor, data_frame, in_microseconds
from bench.tools import stage
from bench.tools.timing import series
from threadpoolctl import threadpool_limits

sys.path[:0] = [str(stage.SCORE), str(stage.TRAIN)]
import convert  # noqa: E402
import model  # noqa: E402
import score  # noqa: E402
import signature  # noqa: E402
from dataset import Dataset, prepare  # noqa: E402
from folder import read_folder  # noqa: E402

ROWS = 40_000


def pipelines(data: Dataset) -> dict[str, Any]:
    """Return the unfitted pipelines by name."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.kernel_approximation import Nystroem
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    boosted = model.build("boosted", data.features, data.numbers)
    forest = model.build("boosted", data.features, data.numbers)
    columns = forest.named_steps["columns"]
    columns.set_params(numbers=SimpleImputer(strategy="median"))
    forest.set_params(classifier=RandomForestClassifier(100, max_depth=10, random_state=0))
    kernel = model.build("logistic", data.features, data.numbers)
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler(), Nystroem(n_components=50))
    kernel.named_steps["columns"].set_params(numbers=numbers)
    return {"boosted": boosted, "forest": forest, "kernel": kernel}


def written(folder: Path, pipeline: Any, data: Dataset) -> tuple[str, str]:
    """Fit a pipeline and write it as training does; return what is served, and its size and parity."""
    sample = slice(-ROWS, None)
    features, target = data.features.iloc[sample], data.target[sample]
    pipeline.fit(features, target)
    folder.mkdir(parents=True, exist_ok=True)
    skops.io.dump(pipeline, folder / "model.skops")
    served, said = "model.onnx", ""
    try:
        graph = convert.to_graph(pipeline, data.numbers, features.shape[1] - data.numbers)
        rows = convert.parity_rows(features, data.numbers, [c.name for c in data.columns if c.nullable])
        apart = convert.difference(pipeline, graph, rows, data.numbers)
        said = f"parity {apart:.1g} on {len(rows):,} rows"
        if apart > convert.TOLERANCE:
            served = "model.skops"
        (folder / "model.onnx").write_bytes(graph)
    except Exception as error:  # as in training: whatever the converter raises means that there is no graph
        served, said = "model.skops", f"does not convert: {type(error).__name__}"
    described = signature.describe(data, "late", "1", served)
    (folder / "signature.json").write_text(json.dumps(described))
    size = (folder / served).stat().st_size
    return served, f"{size / 1024:,.0f} KB, {said}"


@threadpool_limits.wrap(limits=1)  # type: ignore[untyped-decorator, unused-ignore]
def measure(folder: Path, quick: bool) -> list[Figure]:
    """Measure each at 1 and 100 rows; figures in microseconds."""
    if quick:
        return []
    warnings.filterwarnings("ignore")
    data = prepare(read_folder(stage.ROOT / "data" / "prod"), "late", "1", [], "scheduled")
    figures = []
    for name, pipeline in pipelines(data).items():
        place = folder / "kinds" / name
        served, said = written(place, pipeline, data)
        print(f"{name}: {served}, {said}")
        scorer = score.Scorer(place, "m", "1", 1000, 1 << 23)
        for count in (1, 100):
            of = f"model {name} ({served}), {count} row{'s' * (count > 1)}"
            for shape, body in stage.bodies(count).items():
                ours = partial(scorer.answer, body)
                if served == "model.onnx":
                    least = partial(getattr(Floor(place), shape), body)
                    same(ours(), least())
                    found = series({"ours": ours, "theirs": least}, 40, 4, time.process_time)
                    both = in_microseconds(found["ours"], found["theirs"])
                    figures.append(at_most(f"{of}, {shape}, µs: beside orjson + onnxruntime", *both, TIMES))
                elif shape == "table":
                    found = series({"ours": ours, "theirs": partial(data_frame(place), body)}, 9, 2, time.process_time)
                    both = in_microseconds(found["ours"], found["theirs"])
                    figures.append(unaimed(f"{of}, µs: beside json + DataFrame + pipeline", *both, "its cost"))
    return figures


def same(ours: bytes, theirs: bytes) -> None:
    """Raise AssertionError unless two answers have the same probabilities."""
    mine, other = (json.loads(answer)["probabilities"] for answer in (ours, theirs))
    if not np.allclose(mine, other, atol=1e-6):
        raise AssertionError("the floor scores another model")
