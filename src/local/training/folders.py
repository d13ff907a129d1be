"""Where the files of jobs lie: a folder of each job here, and what is stored of its run; how they go again."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from local.catalog.locations import Locator
from local.errors import NotFound, Refusal
from local.storage.blobs import Blobs
from local.wire.place import run_folder

# What a job needs while it runs. Its log and how it ended stay beside them.
_PASSING = ("work", "inputs", "outputs")


class Folders:
    """The folders of all jobs."""

    def __init__(self, folder: Path, locator: Locator, blobs: Blobs) -> None:
        self.folder = folder
        self.folder.mkdir(exist_ok=True)
        self.locator = locator
        self.blobs = blobs

    def of(self, job: str) -> Path:
        return self.folder / job

    def begin(self, job: str) -> Path:
        """Return the folder of a job that begins, with nothing in it that another one of this name has left."""
        shutil.rmtree(self.of(job), ignore_errors=True)
        (self.of(job) / "work").mkdir(parents=True)
        return self.of(job)

    def clear(self, job: str) -> None:
        """Remove what a job needs no more when it has ended."""
        for each in _PASSING:
            shutil.rmtree(self.of(job) / each, ignore_errors=True)

    def sweep(self) -> None:
        """Remove what the last server left of the jobs that it ran. Call it before any job begins."""
        for each in self.folder.iterdir():
            self.clear(each.name)

    def forget(self, job: str) -> None:
        """Remove all files of a job but those that an asset is made of: a registered model outlives its job."""
        kept = set(self._of_assets())
        for container, path in self._places(job):
            # A list of its own: what is deleted while it is read would move the pages.
            for _, blob in list(self.blobs.tree(container, path)):
                above = [blob.name, *map(str, Path(blob.name).parents), ""]
                if not any((container, each) in kept for each in above):
                    with contextlib.suppress(NotFound):
                        self.blobs.delete(container, blob.name)
        shutil.rmtree(self.of(job), ignore_errors=True)

    def holds(self, job: str) -> bool:
        """Say whether anything lies where a job of this name would write: what an asset is made of."""
        return any(True for place in self._places(job) for _ in self.blobs.tree(*place))

    def _places(self, job: str) -> list[tuple[str, str]]:
        """Return the container and the path of a run's own files, and those of the outputs that name no place."""
        place = self.locator.place
        return [(place.artifact_container, run_folder(job)), (place.blob_container, f"azureml/{job}")]

    def _of_assets(self) -> Iterator[tuple[str, str]]:
        """Yield the container and the path of every asset whose files are here."""
        for kind, key in (("models", "modelUri"), ("data", "dataUri")):
            for document in self.locator.store.find(kind, limit=100_000):
                with contextlib.suppress(Refusal):
                    location = self.locator.resolve(str(document.body["properties"].get(key)))
                    yield location.container, location.path
