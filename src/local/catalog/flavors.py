"""What an MLflow model says of itself, in the file MLmodel at its top."""

from __future__ import annotations

import yaml

from local.catalog.locations import Location
from local.errors import NotFound
from local.storage.blobs import Blobs
from local.wire.call import Json

FILE = "MLmodel"
_LONGEST = 1 << 20


def flavors(blobs: Blobs, location: Location) -> Json:
    """Return the ways in which a model can be loaded, with what each says in words; {} of a model that says nothing.

    The service reads them too when a model is registered.
    """
    try:
        blob = blobs.whole(location.container, f"{location.path}/{FILE}")
        if blob.size > _LONGEST:
            return {}
        said = yaml.safe_load(blob.path.read_text(encoding="utf-8"))
    except (NotFound, UnicodeDecodeError, yaml.YAMLError):
        return {}
    given = said.get("flavors") if isinstance(said, dict) else None
    if not isinstance(given, dict):
        return {}
    return {
        str(name): {"data": {str(key): str(value) for key, value in inner.items() if _is_word(value)}}
        for name, inner in given.items()
        if isinstance(inner, dict)
    }


def _is_word(value: object) -> bool:
    # Nothing deeper: an alias in YAML may stand for more than the memory holds.
    return isinstance(value, str | int | float)
