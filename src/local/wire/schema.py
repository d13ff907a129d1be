"""What may stand in a request's body: read once, before anything is done or kept.

A schema is a type or several, `Word`, a set of words, `[schema]` for a list of such, or `{name: schema}` for an object,
in which "*" stands for every other name. What a schema does not name may be anything, and null may stand anywhere, as
with the service.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from local.errors import Invalid

DEPTH = 50
_TYPES: Mapping[type, str] = {
    str: "a text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    dict: "an object",
    list: "a list",
}


class Word:
    """The schema of a tag's value: a number or a boolean becomes a text, for the service keeps nothing else in tags."""


def checked(value: Any, schema: Any = object, place: str = "The body", depth: int = 0) -> Any:
    """Return a value as it is kept; refuse one that breaks the schema, or that could not be stored or sent back."""
    if value is None:
        return None
    if depth > DEPTH:
        raise _refusal(f"{place[:200]} lies more than {DEPTH} deep")
    _check_kind(value, schema, place)
    if isinstance(value, dict):
        inner = schema if isinstance(schema, dict) else {}
        any_other = inner.get("*", object)
        return {
            _text(key, place): checked(each, inner.get(key, any_other), f"{place}.{key}", depth + 1)
            for key, each in value.items()
        }
    if isinstance(value, list):
        of = schema[0] if isinstance(schema, list) else object
        return [checked(each, of, f"{place}[{index}]", depth + 1) for index, each in enumerate(value)]
    if isinstance(schema, frozenset):
        return _chosen(value, schema, place)
    if isinstance(value, float) and not math.isfinite(value) and not (isinstance(schema, tuple) and float in schema):
        raise _refusal(f"{place} is no number that JSON has")
    if schema is Word and not isinstance(value, str):
        return str(value)
    return _text(value, place) if isinstance(value, str) else value


def _check_kind(value: Any, schema: Any, place: str) -> None:
    match schema:
        case dict():
            kinds: tuple[type, ...] = (dict,)
        case list():
            kinds = (list,)
        case frozenset():
            kinds = (str,)
        case tuple():
            kinds = schema
        case _:
            kinds = (str, int, float, bool) if schema is Word else (schema,)
    # To Python, true is a number.
    fits = bool in kinds if type(value) is bool else isinstance(value, kinds)
    if not fits and object not in kinds:
        wanted = " or ".join(_TYPES[kind] for kind in kinds)
        raise _refusal(f"{place} must be {wanted}, and is {_TYPES[type(value)]}")


def _chosen(value: str, words: frozenset[str], place: str) -> str:
    """Return the word in the service's own upper and lower case, which a caller need not use."""
    for word in words:
        if word.lower() == value.lower():
            return word
    raise _refusal(f"{place} must be one of {', '.join(sorted(words))}, and is {value[:80]!r}")


def _text(text: str, place: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise _refusal(f"{place} holds half a character") from error
    if "\0" in text:
        raise _refusal(f"{place} holds a zero byte")
    return text


def _refusal(message: str) -> Invalid:
    return Invalid(f"{message}.", code="InvalidRequestContent")
