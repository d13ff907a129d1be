"""The containers' log files: a folder for each start of a deployment, the last few kept, all bounded."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from pathlib import Path

INFERENCE_SERVER = "inference-server"
STORAGE_INITIALIZER = "storage-initializer"
STARTS_KEPT = 3
LIMIT_BYTES = 4 * 1024 * 1024
"""A log that has grown past this is cut to its last quarter."""
DEFAULT_TAIL = 5000


class StartLogs:
    """The log files of one start of a deployment."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder = folder

    def new_log(self) -> Path:
        """Name the log of one more instance."""
        number = len(list(self._folder.glob(f"{INFERENCE_SERVER}-*.log")))
        path = self._folder / f"{INFERENCE_SERVER}-{number}.log"
        path.touch(mode=0o600)
        return path

    def note(self, text: str) -> None:
        """Add to the storage initializer's log."""
        with (self._folder / f"{STORAGE_INITIALIZER}-0.log").open("a") as log:
            log.write(text)


class DeploymentLogs:
    """All log files, found on disk and so kept over a restart of the workspace."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def open(self, endpoint: str, name: str, *, same: bool, used: Collection[Path] = ()) -> StartLogs:
        """Begin a new start's folder (or go on in the latest, if `same`), and drop the oldest.

        The `used` ones stay: servers write there, of a start after which others have failed.
        """
        starts = self._starts(endpoint, name)
        if same and starts:
            return StartLogs(starts[-1])
        number = int(starts[-1].name) + 1 if starts else 1
        for old in starts[: max(0, len(starts) + 1 - STARTS_KEPT)]:
            if old not in used:
                shutil.rmtree(old, ignore_errors=True)
        return StartLogs(self._folder / endpoint / name / str(number))

    def read(self, endpoint: str, name: str, container: str, tail: int | None) -> str:
        """Give the last lines of the latest start's logs of a container; "" if there are none."""
        starts = self._starts(endpoint, name)
        files = sorted(starts[-1].glob(f"{container}-*.log"), key=_number) if starts else []
        wanted = DEFAULT_TAIL if tail is None else max(0, tail)
        texts = []
        for file in files:
            lines = file.read_bytes().decode(errors="replace").splitlines()
            last = "\n".join(lines[max(0, len(lines) - wanted) :])
            texts.append(f"Instance {_number(file)}:\n{last}" if len(files) > 1 else last)
        return "\n".join(texts)

    def drop(self, endpoint: str, name: str) -> None:
        """Forget a deployment's logs."""
        shutil.rmtree(self._folder / endpoint / name, ignore_errors=True)

    def trim(self) -> None:
        """Cut each log over the limit to its end. The servers append, so they write on at the new end."""
        for file in self._folder.glob("*/*/*/*.log"):
            if file.stat().st_size > LIMIT_BYTES:
                with file.open("r+b") as log:
                    log.seek(-LIMIT_BYTES // 4, 2)
                    log.readline()
                    rest = log.read()
                    log.seek(0)
                    log.write(rest)
                    log.truncate()

    def _starts(self, endpoint: str, name: str) -> list[Path]:
        folder = self._folder / endpoint / name
        if not folder.is_dir():
            return []
        return sorted((one for one in folder.iterdir() if one.name.isdigit()), key=lambda one: int(one.name))


def _number(file: Path) -> int:
    return int(file.stem.rpartition("-")[2])
