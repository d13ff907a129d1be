"""A job's report: metrics, plots, the data it saw and where it came from, as one HTML page made of its outputs."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ops import jobs, lineage, models, page, training

if TYPE_CHECKING:
    from azure.ai.ml import MLClient
    from azure.ai.ml.entities import Job

_MEASURES = {
    "auc": "AUC",
    "average_precision": "average precision",
    "log_loss": "log loss",
    "brier": "Brier score",
    "calibration_error": "calibration error",
}
_PLOTS = {"roc.png": "ROC curve", "precision_recall.png": "precision and recall", "calibration.png": "calibration"}
_SHOWN_CATEGORIES = 3


@dataclass(frozen=True)
class JobReport:
    """What a completed job left in the workspace: metrics.json, signature.json, and its report's files by name."""

    name: str
    tags: Mapping[str, str]
    metrics: dict[str, Any]
    signature: dict[str, Any]
    files: Mapping[str, bytes]
    submitted: str = ""

    @property
    def stage(self) -> str:
        """Dev or prod."""
        return self.tags.get(lineage.STAGE, "")

    @property
    def measured_on(self) -> str:
        """Which rows the figures are of: the live ones where the job had some, else those that it set aside."""
        return "the live rows" if self.metrics.get("holdout") else "its holdout"

    @property
    def measured(self) -> dict[str, Any]:
        """The figures on those rows."""
        return dict(self.metrics.get("holdout") or self.metrics["split"])

    def summary(self) -> dict[str, Any]:
        """Return what a terminal shows of it."""
        reason = (self.metrics.get("parity") or {}).get("reason")
        return {
            "job": self.name,
            "rows": self.metrics.get("rows"),
            "algorithm": self.metrics.get("model"),
            "served": self.metrics.get("served"),
            **({"since": reason} if reason else {}),
            **{key: value for key, value in self.measured.items() if isinstance(value, float)},
        }

    def page(self) -> str:
        """Return it as a page that needs nothing else."""
        metrics, seen = self.metrics, self.measured
        where = "the live rows, which it has not learned from" if metrics.get("holdout") else "the rows it set aside"
        cards = "".join(page.card(f"{seen[key]:.4f}", label) for key, label in _MEASURES.items())
        pictures = "".join(page.picture(self.files[file], says) for file, says in _PLOTS.items() if file in self.files)
        body = f"""<p class="outcome complete">{html.escape(metrics["model"])}, trained on {metrics["rows"]:,} rows in
{metrics["seconds"]:.1f} s; {html.escape(metrics["served"])} is served{html.escape(_why(metrics["parity"]))}</p>
<p class="dim">Measured on {where}: {seen["rows"]:,} of them, {_percent(seen["positive_share"])} positive.</p>
<div class="cards">{cards}</div>
<div class="plots">{pictures}</div>
<h2>Metrics</h2>
{_metrics(metrics)}
<h2>Data</h2>
{_data(metrics, self.signature)}
<h2>Where it came from</h2>
{page.table(["", ""], _origin(self.tags, metrics, self.submitted), says="Where it came from")}"""
        return page.whole(f"{self.stage} job {self.name}".strip(), body)


def read(client: MLClient, job: Job) -> JobReport:
    """Read the report of a completed job, which is the same whenever and wherever: such a job does not change.

    NotFound when the job left none.
    """
    name = str(job.name)
    model = jobs.download(client, name, models.OUTPUT)
    made = lineage.created(job)
    return JobReport(
        name,
        lineage.tags_of(job),
        model.read_json("metrics.json"),
        model.read_json("signature.json"),
        jobs.download(client, name, training.REPORT).files,
        f"{made.astimezone(UTC):%Y-%m-%d %H:%M %Z}" if made else "",
    )


def place(root: Path, name: str) -> Path:
    """Return where the page of a job is kept in a checkout."""
    return root / page.JOBS / f"{name}.html"


def write(report: JobReport, root: Path) -> str:
    """Write the page, and return where it is in the checkout."""
    made = place(root, report.name)
    made.parent.mkdir(parents=True, exist_ok=True)
    made.write_text(report.page(), encoding="utf-8")
    return made.relative_to(root).as_posix()


def _why(parity: Mapping[str, Any]) -> str:
    if parity.get("reason"):
        return f": {parity['reason']}"
    # A hyphen that does not break: 1e-07 is one word.
    apart = f"{parity['max_abs_difference']:.1g}".replace("-", "\N{NON-BREAKING HYPHEN}")
    return f", which differs from its pipeline by at most {apart} on {parity['rows']:,} rows"


def _metrics(metrics: Mapping[str, Any]) -> str:
    parts = {"rows set aside": metrics["split"], "live rows": metrics.get("holdout")}
    there = {part: measured for part, measured in parts.items() if measured}
    rows = [[label, *(f"{measured[key]:.4f}" for measured in there.values())] for key, label in _MEASURES.items()]
    rows.append(["share of positives", *(f"{measured['positive_share']:.4f}" for measured in there.values())])
    rows.append(["rows", *(f"{measured['rows']:,}" for measured in there.values())])
    return page.table(["", *there], rows, says="Metrics", numbers=range(1, len(there) + 1))


def _data(metrics: Mapping[str, Any], signature: Mapping[str, Any]) -> str:
    data = metrics["data"]
    where = f"{len(data['files'])} file" + ("" if len(data["files"]) == 1 else "s")
    told = [f"{data['rows']:,} rows from {where}, {_percent(metrics['positive_share'])} positive"]
    told += [f"from {data['first']} to {data['last']}".replace("T", " ")] if data.get("first") else []
    told += [f"{data['unlabelled']:,} left out without {signature['target']}"] if data.get("unlabelled") else []
    heads = ("column", "type", "missing", "values", "spread")
    rows = [_column(column) for column in signature["columns"]]
    top = "".join(f'<th scope="col">{head}</th>' for head in heads)
    return (
        f"<p>{html.escape('; '.join(told))}. Target: {html.escape(str(signature['target']))}.</p>"
        f"{page.framed(top, rows, 'Columns')}"
    )


def _column(column: Mapping[str, Any]) -> str:
    """Return a column's row: its range with its deciles' shares, or its commonest values with theirs."""
    if "categories" in column:
        ordered = sorted(column["categories"].items(), key=lambda item: -float(item[1]))
        values = ", ".join(f"{value} {100 * share:.0f} %" for value, share in ordered[:_SHOWN_CATEGORIES])
        values += f" and {len(ordered) - _SHOWN_CATEGORIES} more" if len(ordered) > _SHOWN_CATEGORIES else ""
        spread = page.spark([float(share) for _, share in ordered[:20]])
    else:
        values = f"{column['minimum']:g} to {column['maximum']:g}" if column.get("minimum") is not None else ""
        spread = page.spark([float(share) for share in column.get("shares", ())])
    cells = (column["name"], column["type"], _percent(column["missing_share"]), values)
    return "".join(f"<td>{html.escape(str(cell))}</td>" for cell in cells) + f"<td>{spread}</td>"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _origin(tags: Mapping[str, str], metrics: Mapping[str, Any], when: str) -> list[list[str]]:
    kept = {"git commit": lineage.GIT, "code": lineage.FINGERPRINT, "gate overridden": lineage.FORCED}
    rows = [["submitted", when]] if when else []
    rows += [[label, tags[tag]] for label, tag in kept.items() if tag in tags]
    rows.append(["data", str(metrics["data"]["fingerprint"])[:16]])
    rows += [[library, version] for library, version in metrics["libraries"].items()]
    return rows
