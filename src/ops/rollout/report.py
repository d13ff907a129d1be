"""The rollout's report: one self-contained HTML page with its plots, and the same as JSON beside it."""

from __future__ import annotations

import html
import json
import math
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ops import page as pages
from ops.rollout import plot
from ops.rollout.position import Position
from ops.rollout.record import Record

_MEANS = {
    "error": "an answer that failed",
    "slow": "an answer that took longer than the limit",
    "slower": "being the one of a pair that took longer",
    "disagree": "another prediction than the old deployment's",
}


def write(folder: Path, endpoint: str, position: Position, record: Record, about: dict[str, Any]) -> Path:
    """Write `NAME.html` and `NAME.json` to `folder` and return the page's path; earlier ones are never overwritten."""
    folder.mkdir(parents=True, exist_ok=True)
    data = {
        "endpoint": endpoint,
        "new": position.new,
        "old": position.old,
        "written": f"{datetime.now(UTC):%Y-%m-%d %H:%M %Z}",
        "outcome": record.outcome,
        "verdict": record.word,
        **about,
        "milliseconds": {str(position.old): record.milliseconds("old"), position.new: record.milliseconds("new")},
        "steps": record.steps,
        "faults": record.faults,
        "points": record.points,
    }
    page = _free(folder, f"{endpoint}-{position.identity.replace(' of ', '-').replace(':', '').replace('+0000', '')}")
    page.with_suffix(".json").write_text(json.dumps(data, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    page.write_text(_page(data), encoding="utf-8")
    return page


def _free(folder: Path, name: str) -> Path:
    """Return NAME.html, or NAME-2.html and so on when a rollout was taken up more than once."""
    page, number = folder / f"{name}.html", 1
    while page.exists():
        number += 1
        page = folder / f"{name}-{number}.html"
    return page


def cells(found: dict[str, Any]) -> dict[str, str]:
    """Return a metric's row of the evidence table."""
    return {
        "bad, new": _share(found["new"]),
        "bad, old": _share(found["old"]),
        "harm": _test(found, "harm"),
        "safety": _test(found, "safety"),
    }


def _page(data: dict[str, Any]) -> str:
    new, old = html.escape(data["new"]), html.escape(str(data["old"]))
    last = data["points"][-1] if data["points"] else {"metrics": {}, "shown": {}}
    title = f"Rollout of {data['new']} on {data['endpoint']}"
    about = f"{data['model']} in place of {data['replaces']}; {data['seconds']:g} seconds since it was begun."
    about += f" Written {data['written']}."
    evidence = [[metric, *cells(found).values()] for metric, found in last["metrics"].items()]
    evidence += [[f"{metric} (shown, not judged)", _share(n), "-", "-", "-"] for metric, n in last["shown"].items()]
    latency = [[slot, _ms(taken["p50"]), _ms(taken["p99"])] for slot, taken in data["milliseconds"].items()]
    faults = "".join(_fault(fault, count) for fault, count in Counter(data["faults"]).items())
    body = f"""<p class="outcome {html.escape(data["verdict"])}">{html.escape(data["outcome"])}</p>
<p class="dim">{html.escape(about)}</p>
<h2>Evidence</h2>
{pages.table(["metric", f"bad on {new}", f"bad on {old}", "harm, E", "safety, E"], evidence, says="Evidence")}
<p class="dim">Counted as bad: {_meanings([*last["metrics"], *last["shown"]])}.</p>
{plot.figures(data["points"], data["steps"])}
<p class="dim"><span class="key harm">Harm</span> that reaches its line rolls {new} back at once.
<span class="key safety">Safety</span> above its line lets the next step begin, once the step has lasted long enough and
seen enough requests. An E of 1 is no evidence; a curve that leaves the frame goes on unseen. However often one looks:
the chance that {new} is ever rolled back although it is within the tolerance is at most {data["alpha"]:.2g}, and that
it passes a step although it is worse by the margin, at most {data["beta"]:.2g}.</p>
<h2>Traffic</h2>
{pages.table(["split", "after"], [[step["split"], _after(data, step)] for step in data["steps"]], says="Traffic")}
<h2>Latency of the probes</h2>
{pages.table(["deployment", "median", "99th percentile"], latency, says="Latency of the probes")}
<h2>First faults of {new}</h2>
{faults or "<p>None.</p>"}"""
    if data["log"]:
        body += f"\n<h2>The end of the log of {new}</h2>\n<pre>{html.escape(data['log'])}</pre>"
    return pages.whole(title, body)


def _meanings(metrics: list[str]) -> str:
    return (
        "; ".join(f"{html.escape(metric)}, {_MEANS[metric]}" for metric in metrics if metric in _MEANS) or "nothing yet"
    )


def _fault(fault: str, count: int) -> str:
    return f"<pre>{html.escape(fault)}{f'  ({count} times)' if count > 1 else ''}</pre>"


def _after(data: dict[str, Any], step: dict[str, Any]) -> str:
    before = data["points"][: step["point"]]
    return f"{before[-1]['seconds']:g} s" if before else "the start"


def _test(found: dict[str, Any], test: str) -> str:
    return "not asked" if found[test] is None else f"{_e(found[test])} of {found[f'{test}_threshold']:,.0f}"


def _share(counts: list[int]) -> str:
    bad, n = counts
    return f"{bad:,} of {n:,}" + (f" ({100 * bad / n:.2g}\N{NO-BREAK SPACE}%)" if n else "")


def _e(log_e: float) -> str:
    if abs(log_e) >= 13.8:
        return f"10^{log_e / math.log(10):.0f}"
    return f"{math.exp(log_e):,.0f}" if log_e > 4.6 else f"{math.exp(log_e):.2g}"


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} ms"
