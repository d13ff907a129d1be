"""Models and codes as folders on disk, as a deployment's container finds them."""

from __future__ import annotations

import secrets
import shutil
import threading
from pathlib import Path

from local.catalog.assets import Assets
from local.catalog.locations import Locator
from local.errors import LocalError
from local.storage.blobs import Blobs
from local.storage.store import Document

# No name of an asset begins so.
_NEW = ".new-"


class AssetCache:
    """Makes the folder of a model version or a code version once, and gives it again."""

    def __init__(self, folder: Path, assets: Assets, blobs: Blobs, locator: Locator) -> None:
        self.folder = folder
        self.assets = assets
        self.blobs = blobs
        self.locator = locator
        self._lock = threading.Lock()

    def sweep(self) -> None:
        """Remove what a kill left half made. Call it before serving."""
        for kind in ("models", "codes"):
            for left in (self.folder / kind).glob(f"{_NEW}*"):
                shutil.rmtree(left, ignore_errors=True)

    def model_folder(self, reference: str) -> Path:
        """Return models/NAME/VERSION, laid out as in a container of the service.

        A registered folder keeps its own name below it; a registered file sits directly in it.
        """
        model = self.assets.resolve("models", reference)
        location = self.locator.resolve(model.body["properties"]["modelUri"])
        leaf = location.path.split("/")[-1] or model.name
        return self._made("models", model, location.container, location.path, leaf)

    def code_folder(self, reference: str) -> Path:
        code = self.assets.resolve("codes", reference)
        properties = code.body["properties"]
        return self._made("codes", code, properties["container"], properties["path"], "")

    def _made(self, kind: str, document: Document, container: str, path: str, leaf: str) -> Path:
        target = self.folder / kind / document.name / document.version
        # A version that was deleted and made anew has another number in the store, and other content.
        note = target.with_name(f".{document.version}.seq")
        with self._lock:
            if target.is_dir() and note.exists() and note.read_text() == str(document.seq):
                return target
            temporary = self.folder / kind / f"{_NEW}{secrets.token_hex(6)}"
            try:
                if self.blobs.materialise(container, path, temporary / leaf) == 0:
                    raise LocalError(f"There are no files of {kind} {document.name}:{document.version} at {path}")
                shutil.rmtree(target, ignore_errors=True)
                target.parent.mkdir(parents=True, exist_ok=True)
                temporary.rename(target)
                note.write_text(str(document.seq))
            finally:
                shutil.rmtree(temporary, ignore_errors=True)
        return target
