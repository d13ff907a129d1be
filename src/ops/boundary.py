"""Where a task ends: errors become exits, and with --json whatever came of it is one JSON document.

The only place that turns an error into an exit code.
"""

from __future__ import annotations

import functools
import logging
import os
import re
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, NoReturn, TypeVar

from ops import actions, console
from ops.errors import OpsError

Task = TypeVar("Task", bound=Callable[..., Any])
# Of azure-core and of requests, with all that is a kind of them.
_UNREACHABLE = frozenset(
    {"ServiceRequestError", "ServiceResponseError", "IncompleteReadError", "ConnectionError", "Timeout", "RetryError"}
)
DONE, WRONG_USAGE = "done", 2
INTERRUPTED = 130  # what shells give a command that Ctrl-C ended
READER_LEFT = 141  # and one that wrote to a pipe which nobody reads any more
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def exits(task: Task) -> Task:
    """Make a task end with its exit code and one message: the only place where errors become exits.

    With --json standard output is one JSON object, however the task ends: "outcome" is `result` of the error or
    "done"; after an error "reason", "exit_code" and the error's facts follow, else what the task returned. Only
    `inv status --watch` writes more than one.
    """

    @functools.wraps(task)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        value = None
        if threading.current_thread() is threading.main_thread():
            # A runner that cancels, or a service manager, ends a task as Ctrl-C does: it says what goes on without it.
            signal.signal(signal.SIGTERM, signal.default_int_handler)
        with ExitStack() as streams:
            if kwargs.get("json"):
                streams.enter_context(console.for_script())
            try:
                value = task(*args, **kwargs)
                if value is not None and kwargs.get("json"):
                    console.show_json({"outcome": DONE, **value})
                sys.stdout.flush()
            except BrokenPipeError:
                reader_left()
            except (Exception, KeyboardInterrupt) as fault:
                end(fault, as_json=bool(kwargs.get("json")))
        actions.outputs({"result": DONE})
        return value

    return guarded  # type: ignore[return-value]  # the wrapper has the task's own signature


def reader_left() -> NoReturn:
    """Exit in silence, as other tools do, when the reader of a pipe has gone (inv logs | head)."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(READER_LEFT)


def end(fault: BaseException, *, as_json: bool = False) -> NoReturn:
    """Say what was wrong on standard error, for a script on standard output too, and exit with the code for it."""
    if debugging():
        traceback.print_exception(fault)
    word, said, code = explain(fault)
    reason = console.hints(said)
    print(f"{word}: {reason}", file=sys.stderr, flush=True)
    actions.error(result(fault), f"{word}: {reason}")
    actions.outputs({"result": result(fault)})
    if as_json:
        facts = fault.facts if isinstance(fault, OpsError) else {}
        console.show_json(failed(result(fault), reason, code) | facts)
    sys.exit(code)


def failed(outcome: str, reason: str, code: int) -> dict[str, object]:
    """Return the JSON object of a command that failed."""
    return {"outcome": outcome, "reason": reason, "exit_code": code}


def result(fault: BaseException) -> str:
    """Return one word for how a task ended, for the steps after it: "test-failed", "rolled-back", "refused"...

    What is no OpsError is "error", and Ctrl-C "interrupted"; a task that ends well says "done".
    """
    if isinstance(fault, OpsError) and type(fault) is not OpsError:
        return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", type(fault).__name__).lower()
    return "interrupted" if isinstance(fault, KeyboardInterrupt) else "error"


def explain(fault: BaseException) -> tuple[str, str, int]:
    """Return the kind of an error in a word, its message, and the exit code."""
    if isinstance(fault, OpsError):
        return {2: "usage", 3: "paused"}.get(fault.exit_code, "error"), str(fault), fault.exit_code
    if isinstance(fault, KeyboardInterrupt):
        return "interrupted", "what was begun in the workspace goes on there; inv status shows it", INTERRUPTED
    return "error", _foreign(fault), 1


def _foreign(fault: BaseException) -> str:
    kind = type(fault)
    if kind.__module__.startswith(("azure.", "marshmallow", "requests", "urllib3", "msrest")):
        said = _gist(str(getattr(fault, "message", "") or fault))
        kinds = {each.__name__ for each in kind.__mro__}
        if kinds & _UNREACHABLE:
            return f"the workspace cannot be reached: {said}; inv doctor, or your network, says more"
        if "ClientAuthenticationError" in kinds:
            return f"this sign-in was not taken: {said}; az login, or inv doctor, mends it"
        return f"the workspace answered: {said or kind.__name__}"
    if isinstance(fault, OSError):
        return f"{fault.strerror or fault}: {fault.filename or ''}".rstrip(": ")
    return f"{kind.__name__}: {fault} (a defect of this project: inv --debug shows where)"


def _gist(text: str) -> str:
    """Return what the SDK's text says in the end: its first line, or what stands under its "Details:".

    There the fault is two lines, "(x) Failed ... in scoring script score.py." and "Error on line 1: ..."; above it is
    only that some YAML is wrong, even where none is, and below it general advice.
    """
    lines = [line.strip() for line in _COLOURS.sub("", text).splitlines() if line.strip()]
    details = lines[lines.index("Details:") :] if "Details:" in lines else []
    fault = next((at for at, line in enumerate(details) if line.startswith("(x)")), None)
    if fault is not None:
        return " ".join(details[fault : fault + 2]).removeprefix("(x) ")
    return lines[0] if lines else ""


def debugging() -> bool:
    """Return whether inv was given --debug."""
    # Not isEnabledFor: that is no more true once ops/sdk_noise.py has silenced the SDK.
    return logging.getLogger("invoke").getEffectiveLevel() <= logging.DEBUG
