"""What the demo saw, and what it came to."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ops import actions, console, lineage, replay
from ops.console import say

if TYPE_CHECKING:
    from azure.ai.ml.entities import Model

    from ops.project import Project

_SHOWN_METRICS = ("auc", "average_precision", "log_loss", "brier")


@dataclass
class Story:
    """What the demo saw, phase by phase."""

    seconds: dict[str, float] = field(default_factory=dict)
    steps: list[dict[str, Any]] = field(default_factory=list)
    outcomes: dict[str, str] = field(default_factory=dict)
    bad: list[tuple[str, float, float]] = field(default_factory=list)  # slot of a bad release; from when, till when

    @contextmanager
    def phase(self, title: str) -> Iterator[None]:
        """Announce a phase and take its time."""
        console.heading(f"{len(self.seconds) + 1}. {title}")
        start = time.monotonic()
        yield
        self.seconds[title] = round(time.monotonic() - start, 1)


def summed(
    project: Project, story: Story, clients: replay.Replay, trained: tuple[Model, Model], seconds: float
) -> dict[str, Any]:
    """Return the summary: what the clients saw, and what became of models and releases."""

    def blamed(answer: replay.Answer) -> bool:
        return any(answer.slot == slot and start <= answer.at < end for slot, start, end in story.bad)

    failures = [answer for answer in clients.answers if not answer.ok]
    unexplained = [answer for answer in failures if not blamed(answer)]
    return {
        "requests": len(clients.answers),
        "failed": len(unexplained),
        "bad_green_failures": len(failures) - len(unexplained),
        "seconds": round(seconds, 1),
        "failures": sorted({f"{answer.slot or 'nobody'}: {answer.status or 'no answer'}" for answer in unexplained}),
        "p50_ms": replay.percentile(clients.answers, 0.5),
        "p99_ms": replay.percentile(clients.answers, 0.99),
        "steps": story.steps,
        "models": {f"{model.name}:{model.version}": _metrics(model) for model in trained},
        "outcomes": story.outcomes,
        "phases": story.seconds,
        "endpoint": project.address.uri,
    }


def _metrics(model: Model) -> dict[str, float]:
    tags = lineage.tags_of(model)
    return {name: float(tags[lineage.METRIC + name]) for name in _SHOWN_METRICS if lineage.METRIC + name in tags}


def show(summary: dict[str, Any]) -> None:
    """Show the summary as tables, and what to do next."""
    console.heading("Summary")
    steps = [
        {
            "set": "  ".join(f"{slot} {share} %" for slot, share in sorted(step["set"].items())),
            "observed": "  ".join(f"{slot} {share:.1f} %" for slot, share in step["observed"].items()),
            "requests": step["requests"],
        }
        for step in summary["steps"]
    ]
    console.show_rows("traffic, step by step", steps)
    console.show_rows(
        "models on October to December",
        [
            {"model": name, **{key: f"{value:.4f}" for key, value in metrics.items()}}
            for name, metrics in summary["models"].items()
        ],
    )
    console.show_rows("time", [{"phase": name, "seconds": taken} for name, taken in summary["phases"].items()])
    latency = "no request was answered"
    if summary["p50_ms"] is not None:
        latency = f"{summary['p50_ms']:.1f} ms median, {summary['p99_ms']:.1f} ms at the 99th percentile"
    outcome = {
        "requests": summary["requests"],
        "failed": summary["failed"],
        "failed by the flaky release": summary["bad_green_failures"],
        "latency": latency,
        **summary["outcomes"],
        "seconds": summary["seconds"],
    }
    console.show_pairs("outcome", outcome)
    actions.summary("demo", outcome)
    say(f"The endpoint is up: {summary['endpoint']}")
    say('Call it: inv score, or eval "$(inv key --export)" and then eval "$(inv curl)"')
    say("See it: inv studio, inv status, inv trace, inv history; reports are in outputs/")
    say("Stop it: inv workspace.stop")
    if shutil.which("inv") is None:
        say(f"For a plain inv: source {sys.prefix}/bin/activate")
