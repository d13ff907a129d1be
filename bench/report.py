"""docs/benchmarks.md: the figures as tables, and their ratios drawn."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from bench.figures import Figure, machine

# Title, how its figures' names begin, and what the reader must know about them.
SECTIONS = (
    ("Scoring, in process", ("run()",), "From a request's bytes to an answer's, with every cell checked."),
    (
        "Models",
        ("model",),
        (
            "The same for other algorithms, each beside the logistic graph: a graph of another pipeline, and one that "
            "does not convert and is served from `model.skops`."
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
            "JSON). Their answers were compared with ours first. Ours alone checks every cell."
        ),
    ),
    ("Router", ("router",), "The local workspace's front before one inference server; all share the machine."),
    (
        "The whole story",
        ("inv demo",),
        (
            "`inv demo` once, with clients that call all the while. Some of it is waiting by design: each step of a "
            "rollout lasts three seconds at least."
        ),
    ),
    ("Command line", ("inv --list", "inv status", "watching"), "Each task in a process of its own."),
    (
        "Training",
        ("training",),
        "The reference is ten times the smaller size's figure: linear growth has a ratio of 1.",
    ),
    ("Filled workspace", ("workspace",), "Asked through the SDK over the socket."),
    (
        "Evidence at scale",
        ("evidence",),
        "What counts cost the evidence at a high rate, and ten regions in waves ([scale.md](scale.md)).",
    ),
    (
        "Rollback",
        ("rollback", "false rollbacks", "turns bad", "bad requests", "healthy greens", "30 % slower"),
        "How soon a bad release is caught, on simulated traffic ([evidence.md](evidence.md)).",
    ),
)

ABOUT = (
    "Written by `nox -s bench`; [benchmarks.json](benchmarks.json) has the same figures. Each stands beside a "
    "reference measured in turn with it in the same run; values are medians. Where an aim is missed or another is "
    "faster, the table says no."
)


def page(figures: Sequence[Figure], said: Iterable[str], seconds: Mapping[str, float], whole: bool) -> str:
    """Spell the page; `seconds` that each part took, `whole` unless only a part of the figures is of this run."""
    aims = [figure for figure in figures if not figure.aim.startswith("none")]
    held = sum(figure.holds for figure in aims)
    when = f"{'Last run' if whole else 'A part was run last'}: {datetime.datetime.now(datetime.UTC):%Y-%m-%d}"
    lines = [
        "# Benchmarks",
        "",
        ABOUT,
        "",
        f"{when}, {machine()}.",
        f"It took {sum(seconds.values()) / 60:.1f} minutes, in seconds: "
        + ", ".join(f"{name.replace('_', ' ')} {lasted:.0f}" for name, lasted in seconds.items())
        + f". {held} of {len(aims)} aims hold.",
        "",
        "![Ratio to the reference, and the aim's side of it](benchmarks.png)",
    ]
    lines += [f"\n{text}" for text in said]
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
    """Draw each figure's ratio to its reference, section by section."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    shown = [figure for _, begins, _ in SECTIONS[:-1] for figure in figures if figure.name.startswith(begins)]
    shown = [figure for figure in shown if figure.ratio > 0]
    plot, axes = pyplot.subplots(figsize=(9, 0.24 * max(len(shown), 4) + 1))
    colours = ["#2a6f97" if figure.holds else "#c1440e" for figure in shown]
    axes.barh([figure.name for figure in shown], [figure.ratio for figure in shown], color=colours)
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xscale("log")
    axes.invert_yaxis()
    axes.tick_params(axis="y", labelsize=6)
    axes.set_xlabel("ratio to the reference of the same run; blue: the aim holds, red: it does not")
    plot.tight_layout()
    plot.savefig(path, dpi=110, metadata={"Software": None})
    pyplot.close(plot)


def _held(figure: Figure) -> str:
    if figure.aim.startswith("none"):
        return ""
    return "yes" if figure.holds else "**no**"


def _short(value: float) -> str:
    if value and abs(value) < 0.01:
        return f"{value:.2g}"
    return f"{value:,.2f}" if abs(value) < 100 else f"{value:,.0f}"
