"""Models and codes as folders on disk, as a deployment's container finds them."""

from __future__ import annotations

import re
import secrets
import shutil
import threading
from pathlib import Path

from local.catalog import curated
from local.catalog.locations import Locator
from local.errors import Invalid, LocalError, NotFound
from local.storage.blobs import Blobs
from local.storage.store import Document, Store

_REFERENCE = re.compile(
    r"(?:azureml:)?(?:/subscriptions/.*/(?:models|environments|codes)/(?P<a>[^/]+)/versions/(?P<av>[^/]+)"
    r"|(?P<b>[^:/@]+):(?P<bv>[^:/@]+)|(?P<c>[^:/@]+)@latest)",
    re.I,
)

# No name of an asset begins so.
_NEW = ".new-"


class Materials:
    """Makes the folder of a model version or a code version once, and gives it again."""

    def __init__(self, folder: Path, store: Store, blobs: Blobs, locator: Locator) -> None:
        self.folder = folder
        self.store = store
        self.blobs = blobs
        self.locator = locator
        self._lock = threading.Lock()

    def sweep(self) -> None:
        """Remove what a kill left half made. Call it before serving."""
        for kind in ("models", "codes"):
            for left in (self.folder / kind).glob(f"{_NEW}*"):
                shutil.rmtree(left, ignore_errors=True)

    def resolve(self, kind: str, reference: str) -> Document:
        """Return the asset version that a resource id or a name:version stands for."""
        match = _REFERENCE.fullmatch(reference)
        if match is None:
            raise Invalid(f"{reference!r} names no version of {kind}: name:version or a resource id is needed")
        name = match["a"] or match["b"] or match["c"]
        version = match["av"] or match["bv"]
        if version is None:
            found = self.store.find(kind, name=name, archived=False, limit=1)
            document = found[0] if found else curated.version(kind, name)
        else:
            document = self.store.get(kind, name, version) or curated.version(kind, name, version)
        if document is None:
            word = kind.rstrip("s").capitalize()
            raise NotFound(word, f"{word} with name: {name} and version: {version or 'latest'} not found.")
        return document

    def model_folder(self, model: Document) -> Path:
        """Return models/NAME/VERSION, laid out as in a container of the service.

        A registered folder keeps its own name below it; a registered file sits directly in it.
        """
        location = self.locator.resolve(model.body["properties"]["modelUri"])
        leaf = location.path.split("/")[-1] or model.name
        return self._made("models", model, location.container, location.path, leaf)

    def code_folder(self, code: Document) -> Path:
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
