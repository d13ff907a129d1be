"""What do other algorithms cost to serve? `PYTHONPATH=src python -m bench.models`.

Logistic regression, histogram boosting with target encoding and a random forest, each as its graph, and a pipeline that
does not convert (a kernel approximation), served from model.skops as training falls back to. From bytes to bytes by the
scoring script, beside the logistic graph. Nothing of it has an aim, so a quick run leaves it out.
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
from bench import stage
from bench.figures import Figure, unaimed
from bench.timing import medians
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

    found = {kind: model.build(kind, data.features, data.numbers) for kind in model.MODELS}
    forest = model.build("boosted", data.features, data.numbers)
    columns = forest.named_steps["columns"]
    columns.set_params(numbers=SimpleImputer(strategy="median"))
    forest.set_params(classifier=RandomForestClassifier(100, max_depth=10, random_state=0))
    kernel = model.build("logistic", data.features, data.numbers)
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler(), Nystroem(n_components=50))
    kernel.named_steps["columns"].set_params(numbers=numbers)
    return {**found, "forest": forest, "kernel": kernel}


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
    """Measure each at 1 and 100 rows."""
    if quick:
        return []
    warnings.filterwarnings("ignore")
    data = prepare(read_folder(stage.ROOT / "data" / "prod"), "late", "1", [], "scheduled")
    scorers: dict[str, Any] = {}
    labels = {}
    for name, pipeline in pipelines(data).items():
        place = folder / "kinds" / name
        labels[name], said = written(place, pipeline, data)
        print(f"{name}: {labels[name]}, {said}")
        scorers[name] = score.Scorer(place, "m", "1", 1000, 1 << 23)
    figures = []
    for count in (1, 100):
        body = stage.bodies(count)["table"]
        for scorer in scorers.values():
            if not np.isfinite(json.loads(scorer.answer(body))["probabilities"]).all():
                raise AssertionError("an answer is not a number")
        actions = {name: partial(scorer.answer, body) for name, scorer in scorers.items()}
        found = medians(actions, 40, 4, time.process_time)
        for name in scorers:
            if name != "logistic":
                label = f"model {name} ({labels[name]}), {count} row{'s' * (count > 1)}, µs: beside logistic"
                figures.append(unaimed(label, found[name] * 1e6, found["logistic"] * 1e6, "its cost"))
    return figures
