"""What Invoke merged, held to what was meant: the file of -f is there, and each INVOKE_* variable is a setting's.

Invoke passes over a file that is not there and a name that is no setting's, and takes any word for true.
"""

from __future__ import annotations

import difflib
import os
import traceback
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

from ops.errors import UsageError

if TYPE_CHECKING:
    from pydantic import BaseModel

PREFIX = "INVOKE_"
# Invoke's own, besides those of its own settings: the file that -f names, and its log.
_INVOKES = ("RUNTIME_CONFIG", "DEBUG")
_MAPPING = "a mapping of settings, as in invoke.yaml"


def merged(config: Any, own_keys: frozenset[str]) -> dict[str, Any]:
    """Return the settings of Invoke's configuration, less the keys that are Invoke's own.

    Raises UsageError where Invoke would go on with other settings than were meant.
    """
    if config._runtime_path and not config._runtime_found:
        raise UsageError(f"{config._runtime_path}: no such file, and the settings to act on were to be in it (-f)")
    over = {} if config._runtime is None else config._runtime  # a file without a line
    if not isinstance(over, Mapping):  # Invoke takes [] for a file without a line
        raise UsageError(f"{config._runtime_path} cannot be read: it must be {_MAPPING}")
    values = {key: _plain(config[key]) for key in config if key not in own_keys}
    return settings(values, over, own_keys)


def unread(fault: BaseException, trace: TracebackType | None) -> str | None:
    """Return which file Invoke could not take as settings, and why; None when it was at none.

    Invoke says neither the file nor the setting, but all the values around it: both are read from where it stopped.
    """
    file, value = "", None
    keys: list[str] = []
    for frame, _ in traceback.walk_tb(trace):
        if frame.f_globals.get("__name__") != "invoke.config":
            continue
        doing, known = frame.f_code.co_name, frame.f_locals
        if doing == "_load_file":
            said = getattr(fault, "strerror", None) or " ".join(str(fault).split())
            return f"{known['filepath']} cannot be read: {said}"
        if "self" in known and (odd := _odd_name(vars(known["self"]))):
            return odd
        if doing == "_merge_file":
            file = known["path"]
        elif doing == "merge_dicts" and "key" in known:
            keys, value = [*keys, str(known["key"])], known["value"]
    if not file:
        return None
    wanted = "a value, not a mapping" if isinstance(value, Mapping) else _MAPPING
    return f"{file} cannot be read: {'.'.join(keys) or 'it'} must be {wanted}"


def _odd_name(config: Mapping[str, Any]) -> str | None:
    """Return which file of Invoke's configuration has a name that is no text, as 1 or yes in YAML; None for none."""
    for level in ("_system", "_user", "_project", "_runtime"):
        for name in _names(config.get(level)):
            if not isinstance(name, str):
                return f"{config[f'{level}_path']} cannot be read: {name} is not a setting, whose names are all words"
    return None


def _names(values: Any) -> Iterator[object]:
    for name, value in values.items() if isinstance(values, Mapping) else ():
        yield name
        yield from _names(value)


def _plain(value: Any) -> Any:
    return {key: _plain(value[key]) for key in value} if hasattr(value, "keys") else value


def settings(
    values: Mapping[str, Any],
    over: Mapping[str, Any],
    own_keys: frozenset[str],
    environ: Mapping[str, str] = os.environ,
) -> dict[str, Any]:
    """Return `values` with each variable's text in the place of its setting, but where `over`, the file of -f, says it.

    Raises UsageError for a variable that is no setting's, and not of Invoke's own (`own_keys`).
    """
    from ops.settings import Settings

    paths = dict(_paths(Settings))
    made = dict(values)
    for name in sorted(environ):
        if not name.startswith(PREFIX):
            continue
        if name not in paths:
            _refuse_unknown(name, paths, own_keys)
        elif not _has(over, paths[name]):
            section, *keys = paths[name]
            made[section] = {**(made.get(section) or {}), keys[0]: environ[name]} if keys else environ[name]
    return made


def _paths(model: type[BaseModel], above: tuple[str, ...] = ()) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the variable of each setting, and its path in the file."""
    from pydantic import BaseModel

    for name, field in model.model_fields.items():
        path = (*above, field.alias or name)
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _paths(field.annotation, path)
        else:
            yield PREFIX + "_".join(path).upper(), path


def _has(values: Mapping[str, Any], path: tuple[str, ...]) -> bool:
    found: Any = values
    for key in path:
        if not isinstance(found, Mapping) or key not in found:
            return False
        found = found[key]
    return True


def _refuse_unknown(name: str, known: Mapping[str, object], own_keys: frozenset[str]) -> None:
    rest = name.removeprefix(PREFIX)
    if rest in _INVOKES or rest.split("_")[0].lower() in own_keys:
        return
    close = difflib.get_close_matches(name, list(known), n=1)
    raise UsageError(f"{name} is no setting's variable: " + (f"did you mean {close[0]}?" if close else "unset it"))
