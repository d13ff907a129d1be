"""A rollout in a terminal: tables that move."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ops import console, traffic, wait
from ops.evidence import Finding, Verdict
from ops.rollout.ledger import Ledger
from ops.rollout.lines import Lines, progress
from ops.rollout.position import Position
from ops.rollout.record import Record, shown

if TYPE_CHECKING:
    from rich.console import Group
    from rich.live import Live


class Screen:
    """Tables in the terminal: requests and latency by colour, and both tests of each metric as they climb."""

    def __init__(self, record: Record) -> None:
        """Nothing shown yet; latencies come from `record`."""
        self._live: Live | None = None
        self._split = traffic.Split({}, {})
        self._lines = Lines()
        self._record = record

    def begin(self, position: Position, ledger: Ledger) -> None:
        """Open the tables."""
        from rich.live import Live

        self._lines.begin(position, ledger)
        self._live = Live(transient=True, refresh_per_second=4)
        self._live.start()

    def step(self, position: Position, split: traffic.Split) -> None:
        """Show the split."""
        self._split = split
        if self._live is not None:
            self._live.console.print(f"traffic: {split}", highlight=False)

    def seen(self, position: Position, ledger: Ledger, verdict: Verdict) -> None:
        """Show the evidence."""
        if self._live is not None:
            self._live.update(self._tables(position, ledger, verdict))

    def end(self, position: Position, ledger: Ledger, outcome: str) -> None:
        """Leave the last tables there and say how it ended."""
        from rich.console import Console

        self.close()
        Console(highlight=False).print(self._tables(position, ledger, ledger.evidence.verdict()))
        self._lines.say_outcome(ledger, outcome)

    def close(self) -> None:
        """Give the terminal back; twice is fine."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _tables(self, position: Position, ledger: Ledger, verdict: Verdict) -> Group:
        from rich.console import Group
        from rich.table import Table

        at = f"{position.new} at {ledger.step} % for {wait.duration(ledger.seconds_at_step())}: {verdict.answer}"
        colours = Table(title=at, title_justify="left", title_style="bold", box=None, pad_edge=False)
        for name in ("", "traffic", "", "probes", "median", "p99"):
            colours.add_column(
                name, justify="left" if name in ("", "traffic") else "right", header_style="dim", no_wrap=True
            )
        for slot, side in ((position.old, "old"), (position.new, "new")):
            share, taken = self._split.share(str(slot)), self._record.milliseconds(side)
            latency = ("-" if value is None else f"{value:.1f} ms" for value in (taken["p50"], taken["p99"]))
            answers = str(len(self._record.seconds[side]))
            colours.add_row(str(slot), console.bar(share, 16), f"{share} %", answers, *latency)
        evidence = Table(box=None, pad_edge=False)
        heads = ("metric", f"bad {position.old}", f"bad {position.new}", "harm", "", "safety", "")
        for name, style in zip(heads, ("", "", "", "red", "", "green", ""), strict=True):
            evidence.add_column(name, style=style, header_style="dim", no_wrap=True)
        for found in verdict.findings:
            evidence.add_row(*_row(found))
        differ = [
            f"{name}: {new} on {position.new}, shown, not judged" for name, (_, new) in shown(ledger.evidence).items()
        ]
        return Group(colours, "", evidence, *differ)


def _row(found: Finding) -> tuple[str, ...]:
    harm, safety = progress(found.harm, found.harm_threshold), progress(found.safety, found.safety_threshold)
    return (
        found.metric,
        f"{found.old.bad:,} of {found.old.n:,}",
        f"{found.new.bad:,} of {found.new.n:,}",
        console.bar(harm, 10),
        f"{harm} %",
        console.bar(safety, 10),
        f"{safety} %" if found.safety is not None else "not asked",
    )
