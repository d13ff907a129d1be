"""The pictures of a training report: ROC, precision-recall and calibration curves as PNG files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

INK, BLUE, GREY = "#1f2933", "#1f6feb", "#9aa5b1"


def draw(
    folder: Path, target: NDArray[np.int64], probability: NDArray[np.float64], measured: dict[str, Any], title: str
) -> list[Path]:
    """Draw the three curves of one set of rows into a folder; return the files."""
    import matplotlib as mpl

    mpl.use("Agg")
    return [
        _roc(folder / "roc.png", target, probability, measured, title),
        _precision_recall(folder / "precision_recall.png", target, probability, measured, title),
        _calibration(folder / "calibration.png", probability, measured, title),
    ]


def _axes(title: str, x: str, y: str) -> tuple[Any, Any]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.8, 4.2), dpi=200, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_title(title, loc="left", color=INK, fontsize=12)
    axes.set_xlabel(x, color=INK)
    axes.set_ylabel(y, color=INK)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.grid(color="#e4e7eb", linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_axisbelow(True)
    return figure, axes


def _roc(
    path: Path, target: NDArray[np.int64], probability: NDArray[np.float64], measured: dict[str, Any], title: str
) -> Path:
    from sklearn.metrics import roc_curve

    figure, axes = _axes(f"ROC, {title}", "false positive rate", "true positive rate")
    false, true, _ = roc_curve(target, probability)
    axes.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1, label="chance")
    axes.plot(false, true, color=BLUE, linewidth=2, label=f"model, AUC {measured['auc']:.3f}")
    axes.legend(loc="lower right", frameon=False)
    figure.savefig(path)
    return path


def _precision_recall(
    path: Path, target: NDArray[np.int64], probability: NDArray[np.float64], measured: dict[str, Any], title: str
) -> Path:
    from sklearn.metrics import precision_recall_curve

    figure, axes = _axes(f"Precision and recall, {title}", "recall", "precision")
    precision, recall, _ = precision_recall_curve(target, probability)
    share = measured["positive_share"]
    axes.axhline(share, color=GREY, linestyle="--", linewidth=1, label=f"chance, {share:.3f}")
    label = f"model, average precision {measured['average_precision']:.3f}"
    axes.plot(recall, precision, color=BLUE, linewidth=2, label=label)
    axes.legend(loc="upper right", frameon=False)
    figure.savefig(path)
    return path


def _calibration(path: Path, probability: NDArray[np.float64], measured: dict[str, Any], title: str) -> Path:
    figure, axes = _axes(f"Calibration, {title}", "forecast probability", "observed share")
    forecast, seen, _ = zip(*measured["calibration"], strict=True)
    counts = axes.twinx()
    counts.hist(probability, bins=40, range=(0, 1), color=BLUE, alpha=0.15)
    counts.set_yticks([])
    counts.spines[:].set_visible(False)
    axes.set_zorder(counts.get_zorder() + 1)
    axes.patch.set_visible(False)
    axes.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1, label="perfect")
    axes.plot(
        forecast, seen, color=BLUE, linewidth=2, marker="o", label=f"model, error {measured['calibration_error']:.3f}"
    )
    axes.legend(loc="lower right", frameon=False)
    figure.savefig(path)
    return path
