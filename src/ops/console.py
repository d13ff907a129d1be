"""What a person sees: lines, tables, and JSON for a script (ops/actions.py has what a runner reads).

On a terminal there are colours; anywhere else plain lines with the time, and no control codes.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from contextvars import ContextVar
from datetime import datetime
from typing import TYPE_CHECKING, TextIO

from ops.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

Say = Callable[[str], None]
"""What is told of progress, a line at a time."""

_COMMAND: ContextVar[str] = ContextVar("command", default="inv")
_HINT = re.compile(r"\binv (?=[a-z])")
_JSON_TO: ContextVar[TextIO | None] = ContextVar("json_to", default=None)
_WHOLE = frozenset({"model", "job", "name", "slot", "ended", "registered"})  # columns of words that are not folded
_FOLDED = 16  # letters in which a text that is folded can be read


def watched() -> bool:
    """Return whether a person watches the output: a terminal that can move its cursor, and not a runner's."""
    return sys.stdout.isatty() and "CI" not in os.environ and os.environ.get("TERM") != "dumb"


def check_lines(lines: int) -> None:
    """Raise UsageError for a number of lines that no log has."""
    if lines < 1:
        raise UsageError("--lines wants a number from 1 on")


def hint_with(command: str) -> None:
    """Have every hint name this command in place of `inv`."""
    _COMMAND.set(command)


def hints(text: str) -> str:
    """Return a text whose hints name the file of -f as well: without it they would act on another endpoint."""
    return _HINT.sub(lambda found: f"{_COMMAND.get()} ", text)


def say(line: str) -> None:
    """Print one line of progress, with the time in front where there is no terminal to watch."""
    stamp = "" if watched() else f"{datetime.now().astimezone():%H:%M:%S} "
    print(f"{stamp}{hints(line)}", flush=True)


def heading(text: str) -> None:
    """Print the title of a phase, set off from the lines around it."""
    bold, plain = ("\033[1m", "\033[0m") if watched() and "NO_COLOR" not in os.environ else ("", "")
    print(f"\n{bold}{text}{plain}", flush=True)


@contextmanager
def for_script() -> Iterator[None]:
    """Keep standard output for the JSON, which a script reads: what people read goes to standard error."""
    before = _JSON_TO.set(sys.stdout)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        _JSON_TO.reset(before)


def show_json(value: object) -> None:
    """Print `value` as JSON, for scripts."""
    print(json.dumps(value, indent=2, default=str), file=_JSON_TO.get() or sys.stdout, flush=True)


def show_pairs(title: str, pairs: Mapping[str, object]) -> None:
    """Print names and values in two columns."""
    from rich.table import Table

    table = Table(title=title, title_justify="left", title_style="bold", show_header=False, box=None, pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in pairs.items():
        table.add_row(name, _text(value))
    show(table)


def show_rows(title: str, rows: Sequence[Mapping[str, object]]) -> None:
    """Print a table with a column for each key of the first row; where it would be too narrow to read, row by row."""
    from rich import box
    from rich.table import Table

    cells = [{name: _text(value) for name, value in row.items()} for row in rows]
    if _needs(cells) > screen().width:
        for number, row in enumerate(cells):
            show_pairs(title if number == 0 else " ", row)
        return
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for name in rows[0] if rows else ():
        numeric = all(isinstance(row[name], int | float) for row in rows)
        table.add_column(name, justify="right" if numeric else "left", overflow="fold", no_wrap=name in _WHOLE)
    for row in cells:
        table.add_row(*row.values())
    show(table)


def _needs(rows: Sequence[Mapping[str, str]]) -> int:
    """Return how many columns of a terminal a table needs so that what is folded in it can still be read."""
    widths = {name: max(len(name), *(len(row[name]) for row in rows)) for name in (rows[0] if rows else ())}
    return sum(2 + (width if name in _WHOLE else min(width, _FOLDED)) for name, width in widths.items())


def screen() -> Console:
    """Return rich's console: colours and the terminal's width for a person, 160 plain columns for a log."""
    from rich.console import Console

    # Off a terminal rich would assume 80 columns and fold; logs have no such edge.
    if watched():
        return Console(highlight=False, markup=False)
    return Console(width=160, force_terminal=False, color_system=None, highlight=False, markup=False)


def show(what: RenderableType) -> None:
    """Print what rich can draw, unless a script reads; in a log, without the blanks that fill a table's rows."""
    if _JSON_TO.get() is not None:
        return
    drawn = screen()
    if watched():
        drawn.print(what)
        return
    with drawn.capture() as text:
        drawn.print(what)
    print("\n".join(line.rstrip() for line in text.get().splitlines()), flush=True)


@contextmanager
def in_place() -> Iterator[Callable[[RenderableType], None]]:
    """Give the function that draws again what it drew before, in the same place of the terminal."""
    from rich.live import Live

    with Live(console=screen(), auto_refresh=False, vertical_overflow="crop") as shown:
        yield lambda what: shown.update(what, refresh=True)


def _text(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Mapping):
        return "  ".join(f"{key} {_text(item)}" for key, item in value.items())
    return str(value)


def bar(share: int, width: int = 20) -> str:
    """Return a share of 100 as a bar.

    >>> bar(25, 8)
    '██······'
    """
    filled = round(share * width / 100)
    return "█" * filled + "·" * (width - filled)


def ask(question: str) -> bool:
    """Return whether a person at the terminal types yes; without a terminal, or at Ctrl-D, the answer is no."""
    if not sys.stdin.isatty():
        return False
    try:
        return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        print(flush=True)  # ends the line of the question
        return False
