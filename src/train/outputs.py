"""The files that a training leaves; train.py's docstring says what stands in each. Raises OSError."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

from errors import ModelError
from model import TRUSTED


def write_model(folder: Path, pipeline: Any, graph: bytes | None, described: dict[str, Any]) -> None:
    """Write the pipeline, its graph if there is one to be served, and the signature.

    Raise ModelError for a pipeline that has no graph and holds types that the scoring script refuses to load.
    """
    import skops.io

    folder.mkdir(parents=True, exist_ok=True)
    # A folder that was used before must not keep a graph of another model.
    (folder / "model.onnx").unlink(missing_ok=True)
    if graph:
        (folder / "model.onnx").write_bytes(graph)
    skops.io.dump(pipeline, folder / "model.skops")
    strange = sorted(set(skops.io.get_untrusted_types(file=folder / "model.skops")) - TRUSTED)
    if strange and not graph:
        raise ModelError(
            f"the pipeline has no graph, and could not be served without one: it holds {', '.join(strange)}; "
            "if their code is to run there, name them in TRUSTED of src/train/model.py and of src/score/score.py"
        )
    write_json(folder / "signature.json", described)


def write_forecast(path: Path, target: Any, probability: Any) -> None:
    """Write the outcome and the probability of each row, to the last digit of single precision.

    Rounded to 1, a probability just below it would cost a model an endless loss where it is wrong.
    """
    lines = (f"{outcome},{chance:.9g}" for outcome, chance in zip(target, probability, strict=True))
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.write("\n".join(["outcome,probability", *lines]) + "\n")


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write readable JSON, in which nothing is infinite or not a number."""
    path.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")
