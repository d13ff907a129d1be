"""Both tests of each metric over time, as SVG that takes its colours from the page. Pure."""

from __future__ import annotations

import html
import math
from typing import Any

WIDTH, HEIGHT = 720, 200
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 110, 22, 26
_LOWEST = -2.0  # log10 E: a test that lost is not followed further down
_MOST_POINTS = 300
_MEANS = {"harm": "roll back", "safety": "go on"}


def figures(points: list[dict[str, Any]], steps: list[dict[str, Any]]) -> str:
    """Return one figure for each judged metric; "" when there is nothing to draw."""
    if len(points) < 2 or points[-1]["seconds"] <= points[0]["seconds"]:
        return ""
    return "".join(_figure(metric, points, steps) for metric in points[-1]["metrics"])


def _figure(metric: str, points: list[dict[str, Any]], steps: list[dict[str, Any]]) -> str:
    found = [point["metrics"][metric] for point in points]
    tests = [test for test in ("harm", "safety") if found[0][test] is not None]
    needs: dict[str, float] = {test: math.log10(found[0][f"{test}_threshold"]) for test in tests}
    curves: dict[str, list[float]] = {
        test: [max(each[test] / math.log(10), _LOWEST) for each in found] for test in tests
    }
    top: float = max([*needs.values(), *(min(max(curve), 2 * needs[test]) for test, curve in curves.items())]) + 0.3
    bottom: float = min(-0.5, *(min(curve) for curve in curves.values()))
    first, last = float(points[0]["seconds"]), float(points[-1]["seconds"])

    def x(seconds: float) -> float:
        return _LEFT + (WIDTH - _LEFT - _RIGHT) * (seconds - first) / (last - first)

    def y(value: float) -> float:
        return _TOP + (HEIGHT - _TOP - _BOTTOM) * (top - min(value, 2 * top)) / (top - bottom)

    name = html.escape(metric)
    parts = [_frame(name), *(_level(power, y(power)) for power in range(math.ceil(bottom), math.floor(top) + 1))]
    parts += [_step(x(points[at]["seconds"]), step["share"]) for step in steps if (at := step["point"]) < len(points)]
    parts += [_needs(test, needs[test], y(needs[test])) for test in tests]
    every = max(len(points) // _MOST_POINTS, 1)
    kept = sorted({*range(0, len(points), every), len(points) - 1})
    for test, curve in curves.items():
        path = " L".join(f"{x(points[i]['seconds']):.1f},{y(curve[i]):.1f}" for i in kept)
        parts.append(f'<path class="{test}" clip-path="url(#frame-{name})" d="M{path}"/>')
    parts.append(_text(_LEFT, HEIGHT - 6, f"{first:g} s"))
    parts.append(_text(WIDTH - _RIGHT, HEIGHT - 6, f"{last:g} s", 'text-anchor="end"'))
    # A phone scrolls it sideways, and so must a keyboard.
    frame = f'<div class="wide" tabindex="0" role="region" aria-label="Chart of {name}">'
    says = f'viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{name}: evidence over time"'
    return f"<figure><h3>{name}</h3>{frame}<svg {says}>{''.join(parts)}</svg></div></figure>"


def _frame(name: str) -> str:
    """Return what cuts the curves off at the top."""
    size = f'x="{_LEFT}" y="{_TOP}" width="{WIDTH - _LEFT - _RIGHT}" height="{HEIGHT - _TOP - _BOTTOM + 2}"'
    return f'<clipPath id="frame-{name}"><rect {size}/></clipPath>'


def _level(power: int, y: float) -> str:
    line = f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
    return line + _text(_LEFT - 8, y + 4, f"{10.0**power:,g}", 'text-anchor="end"')


def _step(x: float, share: int) -> str:
    line = f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{HEIGHT - _BOTTOM}"/>'
    return line + _text(x + 3, _TOP - 6, f"{share} %")


def _needs(test: str, needs: float, y: float) -> str:
    line = f'<line class="{test} needs" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
    return line + _text(WIDTH - _RIGHT + 6, y + 4, f"{_MEANS[test]} at {10**needs:,.0f}", f'class="{test}"')


def _text(x: float, y: float, text: str, more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" {more}>{text}</text>'
