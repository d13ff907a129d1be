"""Watching a rollout: lines in a log, a table that moves in a terminal, and a record for the report."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ops import console, traffic, wait
from ops.evidence import Counts, Evidence, Finding, Verdict
from ops.rollout.ledger import Ledger
from ops.rollout.position import Position
from ops.rollout.probes import Pair

if TYPE_CHECKING:
    from rich.console import Group
    from rich.live import Live

    from ops.rollout.machine import Watch

_FAULTS = 5  # of the new deployment, kept for the report
_LINE_SECONDS = 10.0  # between two lines of the same step in a log


class Together:
    """Tells several watches the same."""

    def __init__(self, *watches: Watch) -> None:
        """In this order."""
        self._watches = watches

    def begin(self, now: Position, kept: Ledger) -> None:
        """A run begins, or takes up an earlier one."""
        for watch in self._watches:
            watch.begin(now, kept)

    def step(self, now: Position, split: traffic.Split) -> None:
        """The traffic was set, and read back."""
        for watch in self._watches:
            watch.step(now, split)

    def seen(self, now: Position, kept: Ledger, verdict: Verdict) -> None:
        """Some evidence came."""
        for watch in self._watches:
            watch.seen(now, kept, verdict)

    def end(self, now: Position, kept: Ledger, outcome: str) -> None:
        """The run is over."""
        for watch in self._watches:
            watch.end(now, kept, outcome)


class Lines:
    """A line for each step, every ten seconds between, and the end: for logs and runners."""

    def __init__(self) -> None:
        """Nothing said yet."""
        self._said = -math.inf

    def begin(self, now: Position, kept: Ledger) -> None:
        """Say what is rolled out, and whether it was begun before."""
        again = (
            f", taken up at {kept.step} % with {kept.requests} requests judged" if kept.step or kept.requests else ""
        )
        console.say(f"rollout from {now.old} to {now.new}{again}")

    def step(self, now: Position, split: traffic.Split) -> None:
        """Say the split."""
        self._said = wait.clock()
        console.say(f"traffic: {split}")

    def seen(self, now: Position, kept: Ledger, verdict: Verdict) -> None:
        """Say the evidence now and then; what decides is said at the end."""
        if wait.clock() - self._said >= _LINE_SECONDS:
            self._said = wait.clock()
            found = "; ".join(_findings(now, verdict))
            console.say(f"{kept.step} % after {wait.duration(kept.seconds_at_step())}: {verdict.answer}; {found}")

    def end(self, now: Position, kept: Ledger, outcome: str) -> None:
        """Say how it ended, with all the evidence."""
        for line in _findings(now, kept.evidence.verdict()):
            console.say(line)
        for name, (_, green) in shown(kept.evidence).items():
            console.say(f"{name}: {now.new} {green.bad}/{green.n} (shown, not judged)")
        self.close(kept, outcome)

    def close(self, kept: Ledger, outcome: str) -> None:
        """Say how it ended, in one line."""
        console.say(f"rollout {outcome} ({wait.duration(kept.seconds())}, requests judged: {kept.requests})")


class Screen:
    """Tables in the terminal: requests and latency by colour, and both tests of each metric as they climb."""

    def __init__(self, record: Record) -> None:
        """Nothing shown yet; latencies come from `record`."""
        self._live: Live | None = None
        self._split = traffic.Split({}, {})
        self._lines = Lines()
        self._record = record

    def begin(self, now: Position, kept: Ledger) -> None:
        """Open the tables."""
        from rich.live import Live

        self._lines.begin(now, kept)
        self._live = Live(transient=True, refresh_per_second=4)
        self._live.start()

    def step(self, now: Position, split: traffic.Split) -> None:
        """Show the split."""
        self._split = split
        if self._live is not None:
            self._live.console.print(f"traffic: {split}", highlight=False)

    def seen(self, now: Position, kept: Ledger, verdict: Verdict) -> None:
        """Show the evidence."""
        if self._live is not None:
            self._live.update(self._tables(now, kept, verdict))

    def end(self, now: Position, kept: Ledger, outcome: str) -> None:
        """Leave the last tables there and say how it ended."""
        from rich.console import Console

        self.close()
        Console(highlight=False).print(self._tables(now, kept, kept.evidence.verdict()))
        self._lines.close(kept, outcome)

    def close(self) -> None:
        """Give the terminal back; twice is fine."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _tables(self, now: Position, kept: Ledger, verdict: Verdict) -> Group:
        from rich.console import Group
        from rich.table import Table

        at = f"{now.new} at {kept.step} % for {wait.duration(kept.seconds_at_step())}: {verdict.answer}"
        colours = Table(title=at, title_justify="left", title_style="bold", box=None, pad_edge=False)
        for name in ("", "traffic", "", "probes", "median", "p99"):
            colours.add_column(
                name, justify="left" if name in ("", "traffic") else "right", header_style="dim", no_wrap=True
            )
        for slot, side in ((now.old, "old"), (now.new, "new")):
            share, taken = self._split.of(str(slot)), self._record.milliseconds(side)
            latency = ("-" if value is None else f"{value:.1f} ms" for value in (taken["p50"], taken["p99"]))
            answers = str(len(self._record.seconds[side]))
            colours.add_row(str(slot), console.bar(share, 16), f"{share} %", answers, *latency)
        evidence = Table(box=None, pad_edge=False)
        heads = ("metric", f"bad {now.new}", f"bad {now.old}", "harm", "", "safety", "")
        for name, style in zip(heads, ("", "", "", "red", "", "green", ""), strict=True):
            evidence.add_column(name, style=style, header_style="dim", no_wrap=True)
        for found in verdict.findings:
            evidence.add_row(*_row(found))
        differ = [f"{name}: {green}, shown only" for name, (_, green) in shown(kept.evidence).items()]
        return Group(colours, "", evidence, *differ)


def _row(found: Finding) -> tuple[str, ...]:
    harm, safety = progress(found.harm, found.harm_needs), progress(found.safety, found.safety_needs)
    return (
        found.metric,
        f"{found.green.bad} of {found.green.n}",
        f"{found.blue.bad} of {found.blue.n}",
        console.bar(harm, 10),
        f"{harm} %",
        console.bar(safety, 10),
        f"{safety} %" if found.safety is not None else "not asked",
    )


def shown(evidence: Evidence) -> dict[str, tuple[Counts, Counts]]:
    """Return the counts of the metrics that are shown and not judged: old, new."""
    pairs = zip(evidence.policy.metrics, evidence.tracks, strict=True)
    return {metric.name: (track.blue, track.green) for metric, track in pairs if metric.shown and track.green.n}


def progress(log_e: float | None, needs: float) -> int:
    """Return how far a test is, in percent of the logarithm that it needs; 0 for one that lost or is not asked.

    >>> progress(math.log(10), 100), progress(-3.0, 100), progress(math.log(500), 100)
    (50, 0, 100)
    """
    return 0 if log_e is None else round(100 * min(max(log_e / math.log(needs), 0.0), 1.0))


class Record:
    """Keeps what the report shows: the evidence over time, and the latencies of both deployments."""

    def __init__(self) -> None:
        """Empty."""
        self.now: Position | None = None  # where the run began; None before
        self.points: list[dict[str, Any]] = []
        self.steps: list[dict[str, Any]] = []
        self.seconds: dict[str, list[float]] = {"old": [], "new": []}
        self.faults: list[str] = []
        self.outcome = ""
        self.seconds_taken = 0.0

    @property
    def word(self) -> str:
        """Return the outcome as one word: complete, rolled-back, paused, stopped, interrupted, ended."""
        return "rolled-back" if self.outcome.startswith("rolled back") else self.outcome.partition(" ")[0].rstrip(":")

    def pair(self, pair: Pair) -> None:
        """Keep the latencies of a pair, and the first few faults of the new deployment."""
        for side, answer in (("old", pair.old), ("new", pair.new)):
            if not answer.fault and not answer.busy:
                self.seconds[side].append(answer.seconds)
        if pair.new.fault and len(self.faults) < _FAULTS:
            self.faults.append(pair.new.fault)

    def begin(self, now: Position, kept: Ledger) -> None:
        """Keep where it began."""
        self.now = now

    def step(self, now: Position, split: traffic.Split) -> None:
        """Keep when the split changed."""
        self.steps.append({"split": str(split), "share": split.of(now.new), "point": len(self.points)})

    def seen(self, now: Position, kept: Ledger, verdict: Verdict) -> None:
        """Keep the evidence of this moment."""
        found = {
            each.metric: {
                "old": [each.blue.bad, each.blue.n],
                "new": [each.green.bad, each.green.n],
                "harm": each.harm,
                "harm_needs": each.harm_needs,
                "safety": each.safety,
                "safety_needs": each.safety_needs,
            }
            for each in verdict.findings
        }
        counted = {name: [green.bad, green.n] for name, (_, green) in shown(kept.evidence).items()}
        self.points.append({"seconds": round(kept.seconds(), 1), "step": kept.step, "metrics": found, "shown": counted})

    def end(self, now: Position, kept: Ledger, outcome: str) -> None:
        """Keep the outcome."""
        self.outcome = outcome
        self.seconds_taken = kept.seconds()

    def milliseconds(self, side: str) -> dict[str, float | None]:
        """Return median and 99th percentile of the answers of "old" or "new"; None without any."""
        return {"p50": _percentile(self.seconds[side], 0.5), "p99": _percentile(self.seconds[side], 0.99)}


def _percentile(seconds: Sequence[float], share: float) -> float | None:
    ordered = sorted(seconds)
    return round(1000 * ordered[min(int(share * len(ordered)), len(ordered) - 1)], 2) if ordered else None


def _findings(now: Position, verdict: Verdict) -> list[str]:
    return [
        f"{each.metric}: {now.new} {each.green.bad}/{each.green.n}, {now.old} {each.blue.bad}/{each.blue.n}"
        f" (harm {progress(each.harm, each.harm_needs)} %, safety {progress(each.safety, each.safety_needs)} %)"
        for each in verdict.findings
    ]


def for_people(record: Record, also: Watch | None = None) -> tuple[Watch, Screen | None]:
    """Return the watch for where the output goes, a table or lines, which tells `record` and `also` too."""
    screen = Screen(record) if sys.stdout.isatty() else None
    others: tuple[Watch, ...] = (record,) if also is None else (record, also)
    return Together(screen or Lines(), *others), screen
