"""Jobs: submit one, watch it to its end, find the ones that are done."""

from __future__ import annotations

import gzip
import json
import tempfile
import zlib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ops import job_logs, lineage, wait
from ops.console import Say
from ops.errors import JobFailed, NotFound, Timeout

if TYPE_CHECKING:
    from azure.ai.ml import MLClient
    from azure.ai.ml.entities import Job

COMPLETED = "Completed"
# NotResponding may recover and Paused may be resumed, so only the deadline ends those.
ENDED = frozenset({COMPLETED, "Failed", "Canceled"})
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
    job.tags = {**lineage.tags_of(job), lineage.STAGE: submission.stage, **submission.tags}
    return client.jobs.create_or_update(job)


def status(job: Job) -> str:
    """Return the status as a plain word (the SDK's is an enumeration that formats as its own name)."""
    return str(getattr(job.status, "value", job.status))


def get(client: MLClient, name: str) -> Job:
    """Return the job; NotFound says where the names are."""
    from azure.core.exceptions import ResourceNotFoundError

    with suppress(ResourceNotFoundError):
        if lineage.is_name(name):
            return client.jobs.get(name)
    raise NotFound(f"there is no job {name}; inv status lists the newest")


def watch(
    client: MLClient, name: str, *, poll_seconds: float, deadline_seconds: float, say: Say, update: Say | None = None
) -> Job:
    """Poll the job until it ends, saying each change of status; return it when it completed.

    `update`, where somebody watches, is told the status and the last line of the log at each look. A workspace that
    cannot be asked does not end the job: a look is tried again until the deadline.
    Raises JobFailed, with the job's own error and the end of its log, for any other end and at the deadline.
    """
    start = wait.clock()
    latest: list[Job] = []

    def look() -> str:
        left = start + deadline_seconds - wait.clock()
        latest[:] = [wait.retrying(lambda: client.jobs.get(name), what=f"job {name}", deadline_seconds=left)]
        found = status(latest[0])
        if update is not None:
            update(f"{found}  {job_logs.last_line(client, name)}")
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
        raise JobFailed(f"{late}. {job_logs.last_words(client, name)}".strip()) from late
    if seen != COMPLETED:
        raise JobFailed(f"job {name}: {seen}. {job_logs.last_words(client, name)}".strip())
    return latest[0]


def completed(client: MLClient, stage: str, experiment: str, fingerprint: str | None = None) -> Job:
    """Return the newest completed job of `stage` (and `fingerprint`).

    Raises NotFound when there is none among the newest 500 jobs that have a stage.
    """
    seen = 0
    # Only those with a stage: other teams' jobs in the workspace may be many.
    for page in client.jobs.list(tag=lineage.STAGE).by_page():
        read = list(page)
        for job in _newest_first(read):
            tags = lineage.tags_of(job)
            if job.experiment_name != experiment or tags.get(lineage.STAGE) != stage:
                continue
            if fingerprint not in (None, tags.get(lineage.FINGERPRINT)):
                continue
            # The list may lag behind: the job itself knows.
            current = client.jobs.get(job.name)
            if status(current) == COMPLETED:
                return current
        seen += len(read)
        if seen >= _SEARCHED:
            break
    which = "of this code" if fingerprint else ""
    raise NotFound(f"no completed {stage} job {which}".strip())


def completed_as(client: MLClient, stage: str, name: str) -> Job:
    """Return the job of that name, however old; NotFound unless it is a completed job of `stage`."""
    job = get(client, name)
    its = lineage.tags_of(job).get(lineage.STAGE)
    if its != stage:
        raise NotFound(f"job {name} is no {stage} job: its tag {lineage.STAGE} is {its or 'not there'}")
    if status(job) != COMPLETED:
        raise NotFound(f"job {name} is no completed {stage} job: it is {status(job)}")
    return job


def listed(client: MLClient, count: int) -> list[Job]:
    """Return the newest `count` jobs that have a stage, newest first: others in the workspace may be many."""
    return _newest_first(islice(client.jobs.list(tag=lineage.STAGE), count))


def _newest_first(jobs: Iterable[Job | None]) -> list[Job]:
    # The service begins with the newest, but promises no order: they are sorted as far as they were read. The SDK gives
    # a job that it cannot make out as None.
    return sorted((job for job in jobs if job is not None), key=_age, reverse=True)


def _age(job: Job) -> str:
    made = lineage.created(job)
    return made.isoformat() if made else ""


@dataclass(frozen=True)
class Output:
    """The files of a job's output by their names, without the folders they are in."""

    job: str
    name: str
    files: Mapping[str, bytes]

    def read_json(self, file: str) -> dict[str, Any]:
        """Return the content of a JSON file; NotFound when it is not there."""
        content: dict[str, Any] = json.loads(self._read(file))
        return content

    def read_lines(self, file: str) -> list[str]:
        """Return the lines of a compressed text file.

        NotFound when it is not there, ValueError when it is no such file.
        """
        content = self._read(file)
        try:
            return gzip.decompress(content).decode().splitlines()
        except (OSError, EOFError, zlib.error) as fault:
            raise ValueError(f"job {self.job}: {file} of its output {self.name} cannot be read: {fault}") from fault

    def _read(self, file: str) -> bytes:
        if file not in self.files:
            raise NotFound(f"job {self.job}: its output {self.name} holds no {file}")
        return self.files[file]


def download(client: MLClient, job: str, output: str) -> Output:
    """Download a finished job's output whole, which is all that the SDK can; keep it to read more than one file."""
    get(client, job)
    with tempfile.TemporaryDirectory() as folder:
        client.jobs.download(job, output_name=output, download_path=folder)
        files = {file.name: file.read_bytes() for file in sorted(Path(folder).rglob("*")) if file.is_file()}
    return Output(job, output, files)


def cancel(client: MLClient, name: str, *, deadline_seconds: float) -> None:
    """Ask for the job's end and wait for the answer; a job that has ended already is left alone.

    Raises Timeout when there is no answer by the deadline: the request stands.
    """
    if status(get(client, name)) in ENDED:
        return
    asked = client.jobs.begin_cancel(name)
    asked.wait(deadline_seconds)
    if not asked.done():
        raise Timeout(
            f"job {name}: not canceled after {wait.duration(deadline_seconds)}; inv status shows what becomes of it"
        )
