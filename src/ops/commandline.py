"""What inv says before any task runs: the menu, and what was meant by a command line that cannot be.

Invoke sorts its own list by the alphabet, and ends with exit code 1 and half a sentence when it does not understand.
"""

from __future__ import annotations

import atexit
import difflib
import io
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn

from ops import boundary, console, variables

Menu = Mapping[str, Mapping[str, str]]  # group, command, its sentence
# The last is python -m invoke: other modules have a __main__.py too.
_PROGRAMS = ("inv", "invoke", "invoke/__main__.py")
_START = "Nothing here yet? inv demo tells the whole story in a minute or two."
_ALIKE = 0.5
_LAST_STREAM = 2  # the number of standard error
_WORDS_FOR_OPTIONS = ("help", "list", "version")  # of inv itself, which other programs take as commands
_MORE = "inv --help TASK shows the options of one; inv status what to do next."


def check(parse: Callable[[list[str]], Mapping[str, Any]], wrong: type[Exception], menu: Menu) -> None:
    """Look at the command line before inv does: show the menu when it asks for it, and refuse what cannot be.

    `parse` answers what was asked for ("list", "format", "help", "complete", "tasks") or raises `wrong`. Does nothing
    when another program has loaded the tasks, and leaves a list in another format (--list-format=json) to Invoke.
    """
    if not any(Path(sys.argv[0]).match(program) for program in _PROGRAMS):
        return
    known = [name for commands in menu.values() for name in commands]
    try:
        asked = parse(sys.argv)
    except ValueError as fault:
        _refuse(f"an option wants a number: {fault}")
    except wrong as fault:
        context = getattr(fault, "context", None)
        _refuse(explain(str(fault), known, getattr(context, "name", None), list(getattr(context, "flags", ()))))
    if isinstance(asked["help"], str) and asked["help"] not in known:
        _refuse(_no_task(asked["help"], known))
    if asked["list"] and asked["format"] == "flat":
        _print(drawn(menu if asked["list"] is True else _part(menu, str(asked["list"]))))
    if not (asked["list"] or asked["help"] or asked["complete"] or asked["tasks"]):
        _print(drawn(menu))


def _part(menu: Menu, group: str) -> Menu:
    """Return one group of the menu, by its last word: inv --list workspace."""
    found = {name: commands for name, commands in menu.items() if name.split()[-1] == group}
    if not found:
        _refuse(f'there is no group "{group}": inv --list alone shows all, or one of {_groups(menu)}')
    return found


def _groups(menu: Menu) -> str:
    return ", ".join(name.split()[-1] for name in menu)


def _print(text: str) -> NoReturn:
    print(text, flush=True)
    raise SystemExit(0)


def drawn(menu: Menu) -> str:
    """Return the menu as text: a group, its commands and their sentences, a line each.

    >>> print(drawn({"train": {"train-dev": "Train."}}).split(chr(10) * 2)[0])
    train
      train-dev  Train.
    """
    width = max(len(name) for commands in menu.values() for name in commands)
    groups = [
        "\n".join([group, *(f"  {name:<{width}}  {sentence}" for name, sentence in commands.items())])
        for group, commands in menu.items()
    ]
    return "\n\n".join([*groups, f"{_START}\n{_MORE}"])


def explain(said: str, known: Iterable[str], task: str | None, flags: Iterable[str]) -> str:
    """Return what is wrong with a command line, from what Invoke `said` of it, and what was probably meant.

    `task` is the one that Invoke was reading, with its `flags`.
    """
    if found := re.match(r"No idea what '(.+)' is!", said):
        word = found[1]
        if task and word.startswith("-"):
            long = [flag for flag in flags if flag.startswith("--")]
            return f"inv {task} has no option {word}{_meant(word, long)} inv --help {task} shows all"
        if task and f"--{word}" in flags:
            return f'inv {task} takes no "{word}": did you mean --{word}? inv --help {task} shows all'
        if task and not _suggested(word, known):
            return f'inv {task} takes no "{word}": give it with an option; inv --help {task} shows all'
        return _no_task(word, known)
    if found := re.match(r"Flag <Argument: ([\w-]+)", said):
        return f"--{found[1].replace('_', '-')} needs a value" + (f"; inv --help {task} says which" if task else "")
    if found := re.match(r"'(.+)' did not receive required positional arguments: (.+)", said):
        missing = " ".join(f"--{name}" for name in re.findall(r"'([^']+)'", found[2]))
        return f"inv {found[1]} needs {missing}; inv --help {found[1]} says more"
    return said


def _no_task(word: str, known: Iterable[str]) -> str:
    return _suggested(word, known) or f'there is no task "{word}"; inv --list shows all'


def _suggested(word: str, known: Iterable[str]) -> str:
    """Return what was meant by a word that is no task; "" when it is like none."""
    names, no_task = list(known), f'there is no task "{word}": did you mean inv'
    if inside := [name for name in names if name.startswith(f"{word}.")]:
        return f"inv {word} alone is no task: {', '.join(inside)}; inv --list {word} says what they do"
    if word in _WORDS_FOR_OPTIONS:
        return f"{no_task} --{word}?"
    inside = [name for name in names if name.endswith(f".{word}")]
    close = inside or difflib.get_close_matches(word, names, n=1, cutoff=_ALIKE)
    return f"{no_task} {close[0]}? inv --list shows all" if close else ""


def _meant(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=_ALIKE)
    return f": did you mean {close[0]}?" if close else ";"


def _refuse(message: str) -> NoReturn:
    print(f"usage: {message}", file=sys.stderr, flush=True)
    if "--json" in sys.argv:
        console.show_json(boundary.failed("usage-error", message, boundary.WRONG_USAGE))
    raise SystemExit(boundary.WRONG_USAGE)


def guard_start() -> None:
    """Explain what goes wrong before any task runs, such as an invoke.yaml that is not YAML, without a traceback."""
    _open_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal of another encoding shows an odd letter as ?, and loses nothing else.
            stream.reconfigure(errors="replace")
    usual = sys.excepthook

    def hook(kind: type[BaseException], fault: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, BrokenPipeError):
            boundary.reader_left()
        if issubclass(kind, KeyboardInterrupt):
            boundary.end(fault, as_json="--json" in sys.argv)
        about_settings = _is_of_settings(kind, trace)
        # Invoke does not say which variable it was reading.
        blamed = [
            name for name, value in os.environ.items() if name.startswith("INVOKE_") and repr(value) in str(fault)
        ]
        if boundary.debugging() or not about_settings:
            usual(kind, fault, trace)
            return
        said = " ".join(str(fault).split())
        place = " or ".join(blamed) or "a file of settings or an INVOKE_* variable"
        _refuse(variables.unread(fault, trace) or f"{place} cannot be read: {said}")

    sys.excepthook = hook
    atexit.register(_write_out)


def _open_streams() -> None:
    """Give each standard stream that was closed from outside, as by cron or inv status >&-, a file that holds nothing.

    Python has None in its place, and its number would go to the next file that is opened.
    """
    while (number := os.open(os.devnull, os.O_RDWR)) <= _LAST_STREAM:
        os.set_inheritable(number, True)  # as the standard streams are: a process that is started gets them
    os.close(number)
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8"))


def _is_of_settings(kind: type[BaseException], trace: TracebackType | None) -> bool:
    """Return whether Invoke was at the settings: of a file that is not UTF-8, say, the error is Python's own."""
    names = [str(frame.f_globals.get("__name__", "")) for frame, _ in traceback.walk_tb(trace)]
    return "invoke.config" in names or any(
        name.startswith(("invoke", "yaml")) for name in (kind.__module__, *names[-1:])
    )


def _write_out() -> None:
    """Flush what Invoke itself printed while a broken pipe can still be handled; the interpreter's end is too late."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os._exit(boundary.READER_LEFT)
