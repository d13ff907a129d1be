"""A report as one HTML file: the look that all reports share, light and dark, and on paper. Pure.

A page needs nothing else: no script, no address, no font. Whatever others said is escaped before it gets here or by
`table` and `card`.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence

# Where the pages are written, beneath the project.
JOBS, ROLLOUTS = "outputs/jobs", "outputs/rollouts"
STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --dim: #59636e; --paper: #ffffff; --card: #f6f8fa; --line: #d8dee4;
  --accent: #0b5cd6; --harm: #bc4c00; --safety: #0a7a6c; --good: #116329; --bad: #b42318; --held: #7d4e00; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --dim: #9da7b3; --paper: #0d1117; --card: #151b23;
  --line: #2d343d; --accent: #4c9aff; --harm: #f0883e; --safety: #3fc1b0; --good: #4ac26b; --bad: #ff8a80;
  --held: #e3b341; } }
* { box-sizing: border-box; }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 60rem;
  margin: 0 auto; padding: 2rem 1.25rem 3rem; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 .75rem; overflow-wrap: anywhere; }
h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; padding-bottom: .25rem; border-bottom: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.25rem 0 .25rem; } p { margin: .5rem 0; }
.outcome { border-left: .3rem solid var(--held); background: var(--card); padding: .6rem .9rem; border-radius: .25rem;
  overflow-wrap: anywhere; }
.complete { border-color: var(--good); } .rolled-back { border-color: var(--bad); }
.dim, figcaption { color: var(--dim); font-size: .9rem; } figure { margin: 0; } .wide { overflow-x: auto; }
table { border-collapse: collapse; min-width: 100%; } th { text-align: left; color: var(--dim); font-weight: 500; }
td, th { padding: .35rem 1.2rem .35rem 0; border-bottom: 1px solid var(--line); white-space: nowrap;
  font-variant-numeric: tabular-nums; }
tr:last-child td { border-bottom: 0; } td.number, th.number { text-align: right; }
td.long { white-space: normal; overflow-wrap: anywhere; }
.wide:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
@media (max-width: 40rem) { body { padding: 1.25rem 1rem 2rem; } td, th { padding-right: .8rem; }
  td:first-child, .facts td { white-space: normal; overflow-wrap: anywhere; } td:first-child { min-width: 6.5rem; } }
pre { white-space: pre-wrap; overflow-wrap: anywhere; background: var(--card); padding: .6rem .9rem; font-size: .85rem;
  border-radius: .25rem; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: .75rem; margin: 1rem 0; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: .4rem; padding: .6rem .9rem; }
.card b { display: block; font-size: 1.35rem; font-weight: 600; font-variant-numeric: tabular-nums; }
.card span { color: var(--dim); font-size: .85rem; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(17rem, 1fr)); gap: .75rem; }
.plots img { display: block; width: 100%; height: auto; background: #ffffff; border: 1px solid var(--line);
  border-radius: .4rem; }
@media (prefers-color-scheme: dark) { .plots img { filter: invert(.92) hue-rotate(180deg); border-color: #cfc6bd; } }
.key { font-weight: 600; } .key.harm { color: var(--harm); } .key.safety { color: var(--safety); }
svg { display: block; width: 100%; min-width: 36rem; height: auto; font: 12px system-ui, sans-serif; }
svg text { fill: var(--dim); } svg .grid { stroke: var(--line); } svg path { fill: none; stroke-width: 2; }
svg .harm { stroke: var(--harm); } svg .safety { stroke: var(--safety); } svg .needs { stroke-dasharray: 4 4; }
svg text.harm { fill: var(--harm); stroke: none; } svg text.safety { fill: var(--safety); stroke: none; }
svg.spark { min-width: 0; width: 7rem; height: 1.4rem; } svg.spark rect { fill: var(--accent); }
@media print { :root { color-scheme: light; --ink: #000000; --dim: #444444; --paper: #ffffff; --card: #ffffff;
    --line: #bbbbbb; --accent: #0550ae; --harm: #953800; --safety: #0a5c52; --good: #116329; --bad: #b42318;
    --held: #7d4e00; }
  @page { margin: 15mm; }
  body { max-width: none; padding: 0; font-size: 10pt; } td { white-space: normal; overflow-wrap: break-word; }
  .wide { overflow: visible; } svg { min-width: 0; }
  h1 { font-size: 15pt; } h2 { font-size: 11.5pt; margin: 1.2rem 0 .3rem; } td, th { padding: .16rem .7rem .16rem 0; }
  .cards { grid-template-columns: repeat(5, 1fr); gap: .4rem; } .card { padding: .35rem .6rem; }
  .card b { font-size: 12pt; } .plots { grid-template-columns: repeat(3, 1fr); gap: .4rem; }
  .plots img { filter: none; }
  h2, h3, thead { break-after: avoid; } figure, tr, .card, .plots img, .whole { break-inside: avoid; } }
"""


def whole(title: str, body: str) -> str:
    """Return the page; `body` is HTML, `title` is not."""
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{html.escape(title)}</title><style>{STYLE}</style></head><body>
<h1>{html.escape(title)}</h1>
{body}
</body></html>
"""


# So few rows stay together on paper.
_WHOLE = 12


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], *, says: str, numbers: Sequence[int] = ()) -> str:
    """Return a table; `heads` are HTML, cells are not. Columns named in `numbers` are set to the right.

    A table without heads is one of facts. `says` names it for those who do not see it.
    """
    if not rows:
        return "<p>None.</p>"

    def kind(column: int) -> str:
        return ' class="number"' if column in numbers else ""

    top = "".join(f'<th scope="col"{kind(column)}>{head}</th>' for column, head in enumerate(heads))
    body = ["".join(f"<td{kind(column)}>{html.escape(cell)}</td>" for column, cell in enumerate(row)) for row in rows]
    return framed(top if any(heads) else "", body, says)


def framed(head: str, rows: Sequence[str], says: str) -> str:
    """Return a table of rows that are HTML, in a frame that scrolls sideways where it is too wide."""
    kind = "wide" + ("" if head else " facts") + (" whole" if len(rows) <= _WHOLE else "")
    top = f"<thead><tr>{head}</tr></thead>" if head else ""
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    frame = f'<div class="{kind}" tabindex="0" role="region" aria-label="{html.escape(says)}">'
    return f"{frame}<table>{top}<tbody>{body}</tbody></table></div>"


def card(value: str, name: str) -> str:
    """Return a figure worth seeing first, with its name below it."""
    return f'<div class="card"><b>{html.escape(value)}</b><span>{html.escape(name)}</span></div>'


def picture(png: bytes, says: str) -> str:
    """Return a picture that is part of the page; `says` is read to those who do not see it."""
    inside = base64.b64encode(png).decode()
    return f'<img alt="{html.escape(says)}" src="data:image/png;base64,{inside}">'


def spark(shares: Sequence[float]) -> str:
    """Return the shares of neighbouring bins as small bars, the highest as high as the line."""
    most = max(shares, default=0) or 1
    bars = "".join(
        f'<rect x="{8 * number}" y="{20 - 19 * share / most:.1f}" width="7" height="{19 * share / most + 1:.1f}"/>'
        for number, share in enumerate(shares)
    )
    box = f'viewBox="0 0 {8 * max(len(shares), 1)} 21" preserveAspectRatio="xMinYMid"'
    return f'<svg class="spark" {box} aria-hidden="true">{bars}</svg>'
