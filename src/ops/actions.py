"""What GitHub Actions reads from a task: step outputs, summaries, annotations and masks. Elsewhere none of it happens.

The files and commands are GitHub's "Workflow commands". A command goes to standard error, which the runner reads as
well as standard output, so that what a script takes from a task's output stays clean.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from uuid import uuid4


def running() -> bool:
    """Return whether this process is a step of a GitHub Actions job."""
    return os.environ.get("GITHUB_ACTIONS") == "true"


def run_id() -> str:
    """Return the number of the run that this process is a step of, "" elsewhere."""
    return os.environ.get("GITHUB_RUN_ID", "") if running() else ""


def outputs(values: Mapping[str, object]) -> None:
    """Hand values to the next steps of the job, as steps.ID.outputs.NAME. Never give this a key."""
    _append("GITHUB_OUTPUT", "".join(_assignment(name, _text(value)) for name, value in values.items()))


def summary(title: str, values: Mapping[str, object]) -> None:
    """Add names and values to the run's page."""
    rows = "".join(f"| {_cell(name)} | {_cell(value)} |\n" for name, value in values.items())
    _append("GITHUB_STEP_SUMMARY", f"### {title}\n\n| | |\n|---|---|\n{rows}\n")


def summary_rows(title: str, rows: Sequence[Mapping[str, object]], note: str = "") -> None:
    """Add a table to the run's page, with a column for each key of the first row, and a sentence below it."""
    if not rows:
        return
    lines = [" | ".join(map(_cell, rows[0])), "|".join("---" for _ in rows[0])]
    lines += [" | ".join(map(_cell, row.values())) for row in rows]
    table = "".join(f"| {line} |\n" for line in lines)
    _append("GITHUB_STEP_SUMMARY", f"### {title}\n\n{table}\n" + (f"{note}\n\n" if note else ""))


def error(title: str, message: str) -> None:
    """Annotate the run with a failure, so that its page says why it failed."""
    _command("error", message, title=title)


def warning(title: str, message: str) -> None:
    """Annotate the run with what a person should know, such as a gate that was overridden."""
    _command("warning", message, title=title)


def mask(secret: str) -> None:
    """Have the runner print *** wherever `secret` would stand in a log, from here on."""
    if secret:
        _command("add-mask", secret)


def _command(name: str, message: str, **properties: str) -> None:
    if not running():
        return
    given = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    print(f"::{name}{' ' if given else ''}{given}::{_data(message)}", file=sys.stderr, flush=True)


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _assignment(name: str, value: str) -> str:
    if not any(edge in value for edge in "\r\n"):
        return f"{name}={value}\n"
    # A fence that nobody can guess: a value with line breaks must not be able to set an output of its own.
    fence = f"end-{uuid4().hex}"
    return f"{name}<<{fence}\n{value}\n{fence}\n"


def _text(value: object) -> str:
    return "" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)


def _cell(value: object) -> str:
    escaped = _text(value).replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|")
    return " ".join(escaped.split()) or "-"


def _append(variable: str, text: str) -> None:
    file = os.environ.get(variable)
    if file and text:
        with open(file, "a", encoding="utf-8") as lines:
            lines.write(text)
