"""What a person who approves production must know: the dev model beside the live one, the data, the commit (row 6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ops import actions, champion, console, csv_rows, jobs, lineage, models, training

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

    from ops.project import Project

ON_LIVE_ROWS = "Both were measured on the same live rows. The dev model learned from the dev data only."
ON_OTHER_ROWS = "Not measured on the same rows: do not compare them."
NOTHING_LIVE = "No model is live yet: there is nothing to compare with."


@dataclass(frozen=True)
class Case:
    """The facts, the metrics side by side, and how far they can be compared."""

    facts: Mapping[str, object]
    metrics: list[dict[str, object]]
    note: str


def show(project: Project) -> dict[str, Any]:
    """Print the case, put it on the run's page, return it; Refused when no dev job of this code has completed."""
    made = case(project.client, project.training_plan, project.settings.names.model, project.endpoint)
    console.show_pairs("for approval", made.facts)
    console.show_rows("metrics", made.metrics)
    console.say(made.note)
    actions.summary("To be approved: training on the production data, and its registration", made.facts)
    actions.summary_rows("The dev model beside the live one", made.metrics, made.note)
    return asdict(made)


def case(client: MLClient, plan: training.Plan, model: str, endpoint: str) -> Case:
    """Gather what the approval is about; the dev job is the newest completed one of this very code."""
    fingerprint = plan.fingerprint()
    job = training.gate(client, plan, fingerprint)
    dev = models.tags_from(jobs.download(client, str(job.name), models.OUTPUT).read_json("metrics.json"))
    slot, live = champion.live(client, model, endpoint)
    live_tags = lineage.tags_of(live) if live else {}
    served = f"{live.name}:{live.version}" if live else "a model that is not of this workspace"
    facts = {
        "commit": described(plan.root),
        "code fingerprint": fingerprint,
        "dev job": job.name,
        "dev data": span(dev),
        "production data": files(plan.root, plan.data[training.PROD]),
        "live model": f"{served} on {slot}" if slot else None,
        "its data": span(live_tags) if live else None,
        "its commit": live_tags.get(lineage.GIT),
        "dev job's page": job.studio_url,
    }
    return Case(facts, *compared(dev, live_tags if slot else None))


def compared(dev: Mapping[str, str], live: Mapping[str, str] | None) -> tuple[list[dict[str, object]], str]:
    """Return the metrics of both models, a row each, and what may be read from them; None where none is live. Pure.

    >>> compared({"metric.auc": "0.7", "holdout": "a"}, {"metric.auc": "0.68", "holdout": "a"})[0]
    [{'metric': 'auc', 'dev': 0.7, 'live': 0.68, 'better': 'dev'}]
    """
    names = [key for key in sorted(dev) if key.startswith(lineage.METRIC) and ".split." not in key]
    alone: list[dict[str, object]] = [
        {"metric": key.removeprefix(lineage.METRIC), "dev": float(dev[key])} for key in names
    ]
    if live is None:
        return alone, NOTHING_LIVE
    rows = [_row(key.removeprefix(lineage.METRIC), float(dev[key]), float(live[key])) for key in names if key in live]
    same = lineage.HOLDOUT in dev and dev[lineage.HOLDOUT] == live.get(lineage.HOLDOUT)
    return rows or alone, ON_LIVE_ROWS if rows and same else ON_OTHER_ROWS


def _row(name: str, dev: float, live: float) -> dict[str, object]:
    ahead = live - dev if name in models.LOWER_IS_BETTER else dev - live
    return {"metric": name, "dev": dev, "live": live, "better": "dev" if ahead > 0 else "live" if ahead < 0 else "same"}


def span(tags: Mapping[str, str]) -> str:
    """Return how many rows a model learned from, and from when to when where the rows have a time."""
    count = f"{tags.get(lineage.ROWS, 'an unknown number of')} rows"
    return f"{count}, {tags[lineage.FIRST]} to {tags[lineage.LAST]}" if lineage.FIRST in tags else count


def files(root: Path, folder: Path) -> str:
    """Return how many files of data there are, their size, and the last one's name."""
    found = csv_rows.csv_files(root / folder)
    size = sum(file.stat().st_size for file in found)
    return f"{folder}: {len(found)} files, {size / 1e6:.1f} MB" + (f", the last is {found[-1].name}" if found else "")


def described(root: Path) -> str:
    """Return the commit and its first line; "none" outside git."""
    commit = lineage.git_commit(root)
    said = lineage.git(root, "log", "-1", "--format=%h %s (%an)")
    return said + (" with changes on top" if commit.endswith("+changes") else "") or commit
