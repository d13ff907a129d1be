"""Jobs: submit one, watch it to its end, find the ones that are done."""

from __future__ import annotations

import gzip
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ops import lineage, sdk_noise, wait
from ops.errors import JobFailed, NotFound, Timeout

if TYPE_CHECKING:
    from azure.ai.ml import MLClient
    from azure.ai.ml.entities import Job

Say = Callable[[str], None]

COMPLETED = "Completed"
# NotResponding may recover and Paused may be resumed, so only the deadline ends those.
ENDED = frozenset({COMPLETED, "Failed", "Canceled"})
_LOG = "user_logs/std_log.txt"
_LOG_LINES = 15
_SEARCHED = 500  # newest jobs looked through for one with certain tags


@dataclass(frozen=True)
class Submission:
    """A job about to be sent: its YAML, what differs from it, and the tags it will carry."""

    file: Path
    stage: str
    experiment: str
    data: Path
    holdout: Path
    inputs: Mapping[str, str | float]
    tags: Mapping[str, str]


def submit(client: MLClient, submission: Submission) -> Job:
    """Send the job and return it as the workspace has it. Code and data are uploaded when they are new there."""
    from azure.ai.ml import load_job

    # The overrides of `az ml job create --set`: the SDK drops inputs that are assigned after loading.
    overrides: dict[str, object] = {
        "experiment_name": submission.experiment,
        "inputs.data.path": str(submission.data.resolve()),
        "inputs.holdout.path": str(submission.holdout.resolve()),
    }
    overrides |= {f"inputs.{name}": value for name, value in submission.inputs.items()}
    job = load_job(submission.file, params_override=[{key: value} for key, value in overrides.items()])
    job.tags = {**(job.tags or {}), lineage.STAGE: submission.stage, **submission.tags}
    with sdk_noise.quiet_upload():
        return client.jobs.create_or_update(job)


def status(job: Job) -> str:
    """Return the status as a plain word (the SDK's is an enumeration that formats as its own name)."""
    return str(getattr(job.status, "value", job.status))


def get(client: MLClient, name: str) -> Job:
    """Return the job; NotFound says where the names are."""
    from azure.core.exceptions import ResourceNotFoundError

    try:
        return client.jobs.get(name)
    except ResourceNotFoundError:
        raise NotFound(f"there is no job {name}; inv status lists the newest") from None


def watch(
    client: MLClient, name: str, *, poll_seconds: float, deadline_seconds: float, say: Say, now: Say | None = None
) -> Job:
    """Poll the job until it ends, saying each change of status; return it when it completed.

    `now`, where somebody watches, is told the status and the last line of the log at each look.
    Raises JobFailed, with the job's own error and the end of its log, for any other end and at the deadline.
    """

    def look() -> str:
        found = status(client.jobs.get(name))
        if now is not None:
            now(f"{found}  {_last_line(client, name)}")
        return found

    try:
        seen = wait.until(
            look,
            lambda found: found in ENDED,
            what=f"job {name}",
            deadline_seconds=deadline_seconds,
            poll_seconds=poll_seconds,
            changed=lambda found, elapsed: say(f"job {name}: {found} ({wait.duration(elapsed)})"),
        )
    except Timeout as late:
        raise JobFailed(f"{late}\n{log_end(client, name)}".strip()) from late
    if seen != COMPLETED:
        raise JobFailed(f"job {name}: {seen}. {error(client, name)}\n{log_end(client, name)}".strip())
    return client.jobs.get(name)


def completed(
    client: MLClient, stage: str, experiment: str, fingerprint: str | None = None, name: str | None = None
) -> Job:
    """Return the newest completed job of `stage` (and `fingerprint`, or of that `name`).

    Raises NotFound when there is none among the newest 500 jobs.
    """
    for job in _newest(client):
        tags = job.tags or {}
        wanted = job.name == name if name else job.experiment_name == experiment
        if not wanted or tags.get(lineage.STAGE) != stage:
            continue
        if fingerprint not in (None, tags.get(lineage.FINGERPRINT)):
            continue
        # The list may lag behind: the job itself knows.
        current = client.jobs.get(job.name)
        if status(current) == COMPLETED:
            return current
    which = f'"{name}"' if name else "of this code" if fingerprint else ""
    raise NotFound(f"no completed {stage} job {which}".strip())


def _newest(client: MLClient) -> Iterator[Job]:
    listed = (job for _, job in zip(range(_SEARCHED), client.jobs.list(), strict=False) if job is not None)
    return iter(sorted(listed, key=_created, reverse=True))


def _created(job: Job) -> str:
    context = job.creation_context
    return context.created_at.isoformat() if context and context.created_at else ""


def listed(client: MLClient, count: int) -> list[Job]:
    """Return the newest `count` jobs, newest first."""
    return [job for _, job in zip(range(count), _newest(client), strict=False)]


def read_json(client: MLClient, name: str, output: str, file: str) -> dict[str, Any]:
    """Return the JSON `file` of a finished job's `output`; NotFound when it is not there."""
    content: dict[str, Any] = json.loads(_read(client, name, output, file))
    return content


def read_lines(client: MLClient, name: str, output: str, file: str) -> list[str]:
    """Return the lines of a compressed text `file` of a finished job's `output`; NotFound when it is not there."""
    return gzip.decompress(_read(client, name, output, file)).decode().splitlines()


def read_files(client: MLClient, name: str, output: str) -> dict[str, bytes]:
    """Return the files of a finished job's `output` by their names, without the folders they are in."""
    get(client, name)
    with tempfile.TemporaryDirectory() as folder:
        client.jobs.download(name, output_name=output, download_path=folder)
        return {file.name: file.read_bytes() for file in sorted(Path(folder).rglob("*")) if file.is_file()}


def _read(client: MLClient, name: str, output: str, file: str) -> bytes:
    found = read_files(client, name, output)
    if file not in found:
        raise NotFound(f"job {name}: its output {output} holds no {file}")
    return found[file]


def cancel(client: MLClient, name: str) -> None:
    """Ask for the job's end and wait for the answer; a job that has ended already is left alone."""
    if status(get(client, name)) in ENDED:
        return
    client.jobs.begin_cancel(name).result()


def error(client: MLClient, name: str) -> str:
    """Return what the workspace says was wrong with the job; "" when it says nothing."""
    details = _details(client, name)
    fault = getattr(getattr(details, "error", None), "error", None)
    return str(getattr(fault, "message", "") or "")


def log_end(client: MLClient, name: str, lines: int = _LOG_LINES) -> str:
    """Return the last `lines` of the job's own output; "" when there is none yet. NotFound without such a job."""
    import requests

    get(client, name)
    details = _details(client, name)
    address = (getattr(details, "log_files", None) or {}).get(_LOG)
    if not address:
        return ""
    answer = requests.get(address, timeout=30)
    return "\n".join(answer.text.splitlines()[-lines:]) if answer.ok else ""


def _last_line(client: MLClient, name: str) -> str:
    """Return the last line of the log, "" when there is none or it cannot be read now: it is only shown."""
    from azure.core.exceptions import AzureError

    try:
        return log_end(client, name, 1)
    except (AzureError, NotFound, OSError):
        return ""


def _details(client: MLClient, name: str) -> Any:
    # The SDK shows logs only while it streams them (jobs.stream), and prints none for a job that has ended;
    # run history, which stream reads too, has both the error and the addresses of the logs.
    return client.jobs._runs_operations.get_run_details(name)
