"""docs/benchmarks.md: the figures as tables, and their ratios drawn."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from bench.figures import Figure, machine

# Title, how its figures' names begin, and what the reader must know about them.
SECTIONS = (
    (
        "Scoring, in process",
        ("run()",),
        (
            "The script's `run`, from a request's bytes to an answer's: every cell is checked, and the server's answer "
            "object is made. What it stands beside does neither."
        ),
    ),
    (
        "Models",
        ("model",),
        (
            "Other algorithms, bytes to bytes: each graph beside orjson and onnxruntime with the same graph, and a "
            "pipeline that does not convert and is served from `model.skops`, beside the same pipeline on a DataFrame."
        ),
    ),
    (
        "Inference server",
        ("inference server", "start to first answer"),
        (
            "Microsoft's server with this project's script, one worker, beside the same server with a tutorial's "
            "script: a pickled pipeline on a DataFrame. Then beside other servers of models, each with the very same "
            "graph in onnxruntime, the same rows, one worker and one thread: `mlflow models serve` (a Python model, "
            "which MLflow hands a DataFrame), MLServer (a runtime of its own in the server's process, two tensors, "
            "metrics and access log off), LitServe and BentoML (metrics and access log off; both get the table as "
            "JSON). All answers were compared with ours first: the tutorial's in single precision, in which the model "
            "learned, for in double it answers up to 0.08 otherwise where a cell lies on a bin's edge. Ours alone "
            "checks every cell."
        ),
    ),
    (
        "Router",
        ("router",),
        (
            "The local workspace's front before one inference server, which it reaches by a Unix socket, as HAProxy "
            "and nginx do here. Those only pass on, and come along in every third round; the router also "
            "authenticates, draws a deployment and counts. All share the machine."
        ),
    ),
    (
        "The whole story",
        ("inv demo",),
        (
            "`inv demo` once, with clients that call all the while. Some of it is waiting by design: each step of a "
            "rollout lasts two seconds at least."
        ),
    ),
    (
        "Command line",
        ("inv --list", "inv status", "watching"),
        "Each task in a process of its own. A job's end is noticed by a look after a pause, here the latest of seven.",
    ),
    (
        "Training",
        ("training", "joining"),
        (
            "The reference is ten times the smaller size's figure: linear growth has a ratio of 1. The seconds stand "
            "once as they are and once without those of 2,000 rows, which do not grow, and the memory without the "
            "imports: rows that no longer fit into the processor's caches cost somewhat more each, which the start-up "
            "hides. The join, which has none, is granted an exponent of 1.1 for it. Every process on one thread; the "
            "smaller size three times."
        ),
    ),
    ("Filled workspace", ("workspace",), "Asked through the SDK over the socket."),
    (
        "Evidence at scale",
        ("evidence",),
        "What counts cost the evidence at a high rate, and ten regions in waves ([scale.md](scale.md)).",
    ),
    (
        "Rollback",
        ("rollback", "false rollbacks", "turns bad", "bad requests", "healthy deployments", "30 % slower"),
        "How soon a bad release is caught, on simulated traffic ([evidence.md](evidence.md)).",
    ),
)

HOLDS, MISSED, NO_AIM = "#1f6feb", "#c1440e", "#8c959f"
_TIMES = re.compile(r"at (?:most|least) (?:([\d.e-]+) times )?the reference")

ABOUT = (
    "Written by `nox -s bench`; [benchmarks.json](benchmarks.json) has the same figures. Each stands beside a "
    "reference of the same run. What takes turns shows both values of one round, the middle one by its ratio (by its "
    "difference where that is the aim): so one figure of ours may differ from line to line. The demo and the large "
    "trainings run once. Where an aim is missed, or another server of models is faster, the table says no."
)


# How the lines begin that a later run of one part keeps.
_KEPT = ("Last run:", "It took ", "Alone, later:", "Other servers:", "Not measured:")


def page(figures: Sequence[Figure], said: Iterable[str], seconds: Mapping[str, float], before: str = "") -> str:
    """Write the page, of the `seconds` that each part took and of what is `said` of the run.

    `before`, the page so far, is given when one part alone was run: what it says of the whole run stays.
    """
    aims = [figure for figure in figures if figure.is_aimed]
    when = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}, {machine()}"
    took = ", ".join(f"{name.replace('_', ' ')} {lasted:.0f}" for name, lasted in seconds.items())
    if before:
        alone = f"Alone, later: {took} s, {when}."
        kept = [line for line in before.splitlines() if line.startswith(_KEPT)]
        # A part that is run once more has the place of its last time.
        part = f"Alone, later: {took.rpartition(' ')[0]} "
        about = [line for line in dict.fromkeys((*kept, *said)) if not line.startswith(part)] + [alone]
    else:
        about = [f"Last run: {when}.", f"It took {sum(seconds.values()) / 60:.1f} minutes, in seconds: {took}.", *said]
    lines = ["# Benchmarks", "", ABOUT, f"{sum(figure.holds for figure in aims)} of {len(aims)} aims hold."]
    lines += [f"\n{text}" for text in about]
    lines += ["", "![Ratio to the reference, and the aim's side of it](benchmarks.png)"]
    for title, about, rows in sections(figures):
        lines += ["", f"## {title}", "", about, "", "| figure | value | reference | ratio | aim | holds |"]
        lines.append("|---|---:|---:|---:|---|---|")
        lines += [
            f"| {row.name} | {_short(row.value)} | {_short(row.reference)} | {_short(row.ratio)} | {row.aim} | "
            f"{_held(row)} |"
            for row in rows
        ]
    return "\n".join(lines) + "\n"


def sections(figures: Sequence[Figure]) -> Iterator[tuple[str, str, list[Figure]]]:
    """Give each section that has figures, and last what belongs to none."""
    left = list(figures)
    for title, begins, about in SECTIONS:
        rows = [figure for figure in figures if figure.name.startswith(begins)]
        left = [figure for figure in left if figure not in rows]
        if rows:
            yield title, about, rows
    if left:
        yield "More", "What has no section of its own.", left


def draw(figures: Sequence[Figure], path: Path) -> None:
    """Draw each figure's ratio to its reference on one scale, section by section, with the mark that it aims at."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    # The last section's figures are rates and counts of rollouts, of which a ratio says little.
    parts = [(title, [row for row in rows if row.ratio > 0]) for title, _, rows in sections(figures)]
    parts = [(title, rows) for title, rows in parts if rows and title != SECTIONS[-1][0]]
    heights = [len(rows) + 1.6 for _, rows in parts]
    plot, panels = pyplot.subplots(
        len(parts), figsize=(11, 0.21 * sum(heights) + 0.5), height_ratios=heights, sharex=True, squeeze=False,
        layout="constrained",
    )  # fmt: skip
    for panel, (title, rows) in zip(panels[:, 0], parts, strict=True):
        panel.set_title(title, loc="left", fontsize=10, fontweight="bold")
        for place, row in enumerate(rows):
            colour = NO_AIM if not row.is_aimed else HOLDS if row.holds else MISSED
            panel.plot([1, row.ratio], [place, place], color=colour, linewidth=1.4, alpha=0.45)
            panel.plot(row.ratio, place, "o", color=colour, markersize=5)
            if aim := _TIMES.match(row.aim):
                panel.plot(float(aim[1] or 1), place, "|", color="#333333", markersize=9)
        panel.set_yticks(range(len(rows)), [row.name for row in rows], fontsize=7.5)
        panel.set_ylim(len(rows) - 0.5, -0.6)
        panel.axvline(1, color="#777777", linewidth=0.8)
        panel.grid(axis="x", color="#e3e6ea", linewidth=0.6)
        panel.tick_params(length=0)
        panel.spines[:].set_visible(False)
    last = panels[-1, 0]
    last.set_xscale("log")
    last.xaxis.set_major_formatter(lambda value, _: f"{value:g}x" if value >= 1 else f"1/{1 / value:,.0f}")
    last.xaxis.set_minor_locator(matplotlib.ticker.NullLocator())
    # What is far outside runs out of the frame: the rest would be drawn together.
    last.set_xlim(1 / 300, 300)
    words = "ratio to the reference of the same run;  | the aim,  blue: it holds,  red: it does not,  grey: none"
    last.set_xlabel(words, fontsize=8.5, loc="right")
    plot.savefig(path, dpi=110, metadata={"Software": None})
    pyplot.close(plot)


def _held(figure: Figure) -> str:
    if not figure.is_aimed:
        return ""
    return "yes" if figure.holds else "**no**"


def _short(value: float) -> str:
    if value and abs(value) < 0.01:
        return f"{value:.2g}"
    return f"{value:,.2f}" if abs(value) < 100 else f"{value:,.0f}"
