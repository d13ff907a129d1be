"""The rollout's report: one self-contained HTML page with its plots, and the same as JSON beside it."""

from __future__ import annotations

import html
import json
import math
from pathlib import Path
from typing import Any

from ops.rollout import plot
from ops.rollout.position import Position
from ops.rollout.record import Record

_STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --dim: #59636e; --paper: #ffffff; --card: #f6f8fa; --line: #d1d9e0;
  --harm: #bc4c00; --safety: #0a7a6c; --good: #116329; --bad: #b42318; --held: #7d4e00; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --dim: #9da7b3; --paper: #0d1117; --card: #161b22;
  --line: #30363d; --harm: #f0883e; --safety: #3fc1b0; --good: #4ac26b; --bad: #ff7b72; --held: #e3b341; } }
* { box-sizing: border-box; }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 56rem;
  margin: 0 auto; padding: 1.5rem 1rem 3rem; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 .75rem; } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
h3 { font-size: 1rem; margin: 1.25rem 0 .25rem; } p { margin: .5rem 0; }
.outcome { border-left: .3rem solid var(--held); background: var(--card); padding: .6rem .9rem; border-radius: .25rem;
  overflow-wrap: anywhere; }
.complete { border-color: var(--good); } .rolled-back { border-color: var(--bad); }
.dim, figcaption { color: var(--dim); font-size: .9rem; } figure { margin: 0; } .wide { overflow-x: auto; }
table { border-collapse: collapse; min-width: 100%; } th { text-align: left; color: var(--dim); font-weight: 500; }
td, th { padding: .35rem 1.2rem .35rem 0; border-bottom: 1px solid var(--line); white-space: nowrap;
  font-variant-numeric: tabular-nums; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; background: var(--card); padding: .6rem .9rem; font-size: .85rem;
  border-radius: .25rem; }
.key { font-weight: 600; } .key.harm { color: var(--harm); } .key.safety { color: var(--safety); }
svg { display: block; width: 100%; min-width: 36rem; height: auto; font: 12px system-ui, sans-serif; }
svg text { fill: var(--dim); } svg .grid { stroke: var(--line); } svg path { fill: none; stroke-width: 2; }
svg .harm { stroke: var(--harm); } svg .safety { stroke: var(--safety); } svg .needs { stroke-dasharray: 4 4; }
svg text.harm { fill: var(--harm); stroke: none; } svg text.safety { fill: var(--safety); stroke: none; }
"""


def write(folder: Path, endpoint: str, now: Position, record: Record, about: dict[str, Any]) -> Path:
    """Write `NAME.html` and `NAME.json` to `folder` and return the page's path; earlier ones are never overwritten."""
    folder.mkdir(parents=True, exist_ok=True)
    data = {
        "endpoint": endpoint,
        "new": now.new,
        "old": now.old,
        "outcome": record.outcome,
        "verdict": record.word,
        **about,
        "milliseconds": {str(now.old): record.milliseconds("old"), now.new: record.milliseconds("new")},
        "steps": record.steps,
        "faults": record.faults,
        "points": record.points,
    }
    page = _free(folder, f"{endpoint}-{now.identity.replace(' of ', '-').replace(':', '').replace('+0000', '')}")
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
    title = f"Rollout of {new} on {html.escape(data['endpoint'])}"
    about = f"{data['model']} in place of {data['replaces']}; {data['seconds']:g} seconds since it was begun."
    evidence = [[metric, *cells(found).values()] for metric, found in last["metrics"].items()]
    evidence += [[f"{metric} (shown, not judged)", _share(n), "-", "-", "-"] for metric, n in last["shown"].items()]
    latency = [[slot, _ms(taken["p50"]), _ms(taken["p99"])] for slot, taken in data["milliseconds"].items()]
    faults = "".join(f"<pre>{html.escape(fault)}</pre>" for fault in data["faults"])
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><style>{_STYLE}</style></head><body>
<h1>{title}</h1>
<p class="outcome {html.escape(data["verdict"])}">{html.escape(data["outcome"])}</p>
<p class="dim">{html.escape(about)}</p>
<h2>Evidence</h2>
{_table(["metric", f"bad on {new}", f"bad on {old}", "harm, E", "safety, E"], evidence)}
{plot.figures(data["points"], data["steps"])}
<p class="dim"><span class="key harm">Harm</span> that reaches its line rolls {new} back at once.
<span class="key safety">Safety</span> above its line lets the next step begin, once the step has lasted long enough and
seen enough requests. An E of 1 is no evidence; a curve that leaves the frame goes on unseen. However often one looks:
the chance that {new} is ever rolled back although it is within the tolerance is at most {data["alpha"]:.2g}, and that
it passes a step although it is worse by the margin, at most {data["beta"]:.2g}.</p>
<h2>Traffic</h2>
{_table(["split", "after"], [[step["split"], _after(data, step)] for step in data["steps"]])}
<h2>Latency of the probes</h2>
{_table(["deployment", "median", "99th percentile"], latency)}
<h2>First faults of {new}</h2>
{faults or "<p>None.</p>"}
</body></html>
"""


def _table(heads: list[str], rows: list[list[str]]) -> str:
    if not rows:
        return "<p>None.</p>"
    top = "".join(f"<th>{head}</th>" for head in heads)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="wide"><table><tr>{top}</tr>{body}</table></div>'


def _after(data: dict[str, Any], step: dict[str, Any]) -> str:
    before = data["points"][: step["point"]]
    return f"{before[-1]['seconds']:g} s" if before else "the start"


def _test(found: dict[str, Any], test: str) -> str:
    return "not asked" if found[test] is None else f"{_e(found[test])} of {found[f'{test}_needs']:.0f}"


def _share(counts: list[int]) -> str:
    bad, n = counts
    return f"{bad} of {n}" + (f" ({100 * bad / n:.2g} %)" if n else "")


def _e(log_e: float) -> str:
    if abs(log_e) >= 13.8:
        return f"10^{log_e / math.log(10):.0f}"
    return f"{math.exp(log_e):,.0f}" if log_e > 4.6 else f"{math.exp(log_e):.2g}"


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} ms"
