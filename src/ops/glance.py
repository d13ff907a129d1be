"""One glance: the state of everything as a person reads it, drawn from what ops/status.py found. Pure.

The same lines stand on a terminal, where they have colours, and in a log.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ops import drift, provisioning
from ops.console import bar

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

_GOOD, _BAD, _DIM, _BOLD, _NEXT = "green", "bold red", "dim", "bold", "bold cyan"
_STYLES = {"blue": "bright_blue", "green": "green"}  # a colour is shown in its colour
_SHOWN_JOBS = 3
_PERCENT, _COPIES = 2, 6  # the columns of the share and of the mirror's
_WIDE = 72  # columns of a terminal, from which there is room for a bar and an age
_ALONE = {"running": "stopped, nobody is at it", "paused": "paused"}  # a rollout that no one holds
_STATES = {provisioning.SUCCEEDED: "up"}  # Azure's word says how the last operation went


def drawn(seen: Mapping[str, Any], now: datetime, width: int = 80) -> Group:
    """Return everything at a glance, for so many columns of a terminal; times are distances from `now`."""
    from rich.console import Group

    return Group(_title(seen), "", _slots(seen["slots"], now, wide=width >= _WIDE), "", _rest(seen, now))


def ago(moment: str | None, now: datetime) -> str:
    """Return how long ago an ISO time was, in one unit, as people say it; "" for what is none.

    >>> ago("2026-01-01T10:00:00+00:00", datetime.fromisoformat("2026-01-01T12:30:00+00:00"))
    '2 h ago'
    """
    try:
        seconds = (now - datetime.fromisoformat(str(moment))).total_seconds()
    except (ValueError, TypeError):
        return ""
    for name, size in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size:.0f} {name} ago"
    return f"{max(seconds, 0):.0f} s ago"


def _title(seen: Mapping[str, Any]) -> Text:
    from rich.text import Text

    endpoint = seen["endpoint"]
    good = endpoint["state"] == provisioning.SUCCEEDED
    return Text.assemble(
        (endpoint["name"], _BOLD),
        f" on {seen['workspace']}: ",
        (_STATES.get(endpoint["state"], endpoint["state"]), _GOOD if good else _BAD),
        (f"   {endpoint['scoring_uri'] or ''}", _DIM),
    )


def _slots(slots: Sequence[Mapping[str, Any]], now: datetime, *, wide: bool) -> Table | str:
    if not slots:
        return "  no deployments"
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    for column in range(7):
        table.add_column(justify="right" if column == _PERCENT else "left", no_wrap=column != _COPIES)
    for slot in slots:
        style = _STYLES.get(slot["slot"], "")
        good = slot["state"] in provisioning.SERVING and not slot["rolled_back"]
        health = "rolled back" if slot["rolled_back"] else _STATES.get(slot["state"], slot["state"])
        table.add_row(
            Text(f"  {slot['slot']}", style=style),
            Text(bar(slot["traffic"]) if wide else "", style=style),
            f"{slot['traffic']} %",
            slot["model"],
            Text(health, style=_GOOD if good else _BAD),
            Text(ago(slot["deployed_at"], now) if wide else "", style=_DIM),
            f"and {slot['mirror']} % of copies" if slot["mirror"] else "",
        )
    return table


def _rest(seen: Mapping[str, Any], now: datetime) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    table.add_column(style=_DIM, no_wrap=True)
    table.add_column(overflow="fold")
    for name, line, style in _lines(seen, now):
        table.add_row(f"  {name}", Text(line, style=style))
    return table


def _lines(seen: Mapping[str, Any], now: datetime) -> Iterator[tuple[str, str, str]]:
    """Give the name, the text and the style of each line below the colours."""
    model, last, now_on = seen["model"], seen["last_rollout"], seen["rollout"]
    if model["latest"]:
        yield "newest model", f"{model['name']}:{model['latest']}  {ago(model['registered'], now)}", ""
    else:
        yield "newest model", "none registered", ""
    if now_on:
        at = f"{now_on['slot']} at {now_on['step']} %, begun {ago(now_on['begun'], now)}"
        by = f"{now_on['status']} by {now_on['held_by']}" if now_on["held_by"] else _ALONE[now_on["status"]]
        yield "rollout", f"{at}: {by}", ""
    if last:
        bad = "rolled back" in last["how"]
        yield "last rollout", f"{last['model']} on {last['how']}  {ago(last['ended'], now)}", "red" if bad else ""
    for number, job in enumerate(seen["jobs"][:_SHOWN_JOBS]):
        bad = job["status"] in ("Failed", "Canceled")
        line = f"{job['stage'] or '-':<4}  {job['status']:<9}  {job['name']}  {ago(job['created'], now)}"
        yield "" if number else "newest jobs", line, "red" if bad else ""
    if seen["drift_fault"]:
        yield "drift", f"cannot be measured: {seen['drift_fault']}", "yellow"
    elif moved := _moved(seen["drift"]):
        yield "drift", moved, ""
    for number, report in enumerate(seen["reports"]):
        yield "" if number else "reports", report, ""
    yield "next", seen["next"], _NEXT


def _moved(indices: Mapping[str, float]) -> str:
    """Return the columns of the live rows that moved, with what that asks for; "" when there is nothing to measure."""
    if not indices:
        return ""
    retrain = [f"{column} {index:.2f}" for column, index in indices.items() if index >= drift.RETRAIN]
    look = [f"{column} {index:.2f}" for column, index in indices.items() if drift.LOOK <= index < drift.RETRAIN]
    said = [
        f"{', '.join(columns)}: {what}" for columns, what in ((retrain, "retrain"), (look, "worth a look")) if columns
    ]
    return "; ".join(said) or f"no column moved; the largest is {next(iter(indices))}, {max(indices.values()):.3f}"
