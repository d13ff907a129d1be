"""What a job said: the end of its log, its last line while it runs, and its last words.

Before its own process begins, the log is the service's: of building the image, above all.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ops.errors import OpsError, Unreachable

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

_LOG = "user_logs/std_log.txt"
# 20_image_build_log.txt and the like, numbered in their order: the SDK's own pattern (azure.ai.ml.constants._job.job).
_SERVICE_LOG = re.compile(r"azureml-logs/\d{2}.+\.txt")
_LOG_LINES, _LOG_SECONDS = 15, 30


def end(client: MLClient, name: str, lines: int) -> str:
    """Return the last `lines` of the job's log; "" when there is none yet. Raises Unreachable."""
    return _tail(_details(client, name), lines)


def last_line(client: MLClient, name: str) -> str:
    """Return the last line of the log, "" when there is none or it cannot be read now: it is only shown."""
    from azure.core.exceptions import AzureError

    try:
        return _tail(_details(client, name), 1)
    except (AzureError, OpsError):
        return ""


def last_words(client: MLClient, name: str) -> str:
    """Return the job's own error and the end of its log, as far as they can be read now: they must not hide its end."""
    from azure.core.exceptions import AzureError

    words = []
    try:
        details = _details(client, name)
        words.append(_error(details))
        said = _tail(details, _LOG_LINES)
        words.append("" if said in words[0] else said)
    except (AzureError, OpsError):
        words.append(f"(what it said cannot be read now: inv logs --job {name})")
    return "\n".join(each for each in words if each)


def _error(details: Any) -> str:
    """Return what the workspace says was wrong with the job; "" when it says nothing."""
    fault = getattr(getattr(details, "error", None), "error", None)
    return str(getattr(fault, "message", "") or "")


def _address(files: Mapping[str, str]) -> str | None:
    names = [_LOG] if _LOG in files else sorted(filter(_SERVICE_LOG.fullmatch, files))[-1:]
    return files[names[0]] if names else None


def _tail(details: Any, lines: int) -> str:
    """Return the last `lines` of the job's log; "" when there is none yet. Raises Unreachable."""
    import requests

    address = _address(getattr(details, "log_files", None) or {})
    if address is None:
        return ""
    try:
        answer = requests.get(address, timeout=_LOG_SECONDS)
        answer.raise_for_status()
    except requests.RequestException as fault:
        # Not its text: that has the address, with which anybody could read the log.
        raise Unreachable(f"the job's log cannot be read now: {type(fault).__name__}; try again") from None
    # Its own guess would be Latin-1, for want of a word on it.
    return "\n".join(answer.content.decode(errors="replace").splitlines()[-lines:])


def _details(client: MLClient, name: str) -> Any:
    # The SDK shows logs only while it streams them (jobs.stream), and prints none for a job that has ended;
    # run history, which stream reads too, has both the error and the addresses of the logs.
    return client.jobs._runs_operations.get_run_details(name)
