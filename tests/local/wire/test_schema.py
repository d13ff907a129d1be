"""The form of a body: what is of it passes, and what is not is named with its place."""

from __future__ import annotations

import json
from typing import Any

import pytest

from local.errors import Invalid
from local.wire.schema import DEPTH, Word, checked

FORM = {"name": str, "count": int, "share": float, "on": bool, "tags": {"*": (str, int)}, "list": [{"x": str}]}


@pytest.mark.parametrize(
    "body",
    [
        None,
        {},
        {"name": None, "tags": {"a": None}, "list": [None, {}]},
        {"name": "n", "count": 1, "share": 0.5, "on": True, "tags": {"a": "b", "c": 1}, "list": [{"x": "y"}]},
        {"unknown": [{"deep": [1.5, True, None]}]},
    ],
)
def test_what_is_of_the_form_passes(body: Any) -> None:
    """Null may stand anywhere, and so may what the form does not name."""
    assert checked(body, FORM) == body


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ([], "The body must be an object, and is a list"),
        ({"name": 1}, "body.name must be a text, and is a whole number"),
        ({"count": 1.0}, "body.count must be a whole number, and is a number"),
        ({"count": True}, "body.count must be a whole number, and is true or false"),
        ({"on": "true"}, "body.on must be true or false, and is a text"),
        ({"tags": []}, "body.tags must be an object, and is a list"),
        ({"tags": {"a": {}}}, "body.tags.a must be a text or a whole number, and is an object"),
        ({"list": {"x": "y"}}, "body.list must be a list, and is an object"),
        ({"list": [{}, {"x": []}]}, r"body.list\[1\].x must be a text, and is a list"),
    ],
)
def test_what_is_not_is_named(body: Any, said: str) -> None:
    """With its place, what it is, and what it should be."""
    with pytest.raises(Invalid, match=said) as refused:
        checked(body, FORM)
    assert refused.value.status == 400


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"a": NaN}', "no number that JSON has"),
        ('{"a": [1e999]}', "no number that JSON has"),
        (r'{"a": "x\u0000"}', "a zero byte"),
        (r'{"a\u0000": 1}', "a zero byte"),
        (r'{"a": "\ud800"}', "half a character"),
        ("[" * (DEPTH + 2) + "]" * (DEPTH + 2), f"more than {DEPTH} deep"),
    ],
)
def test_what_cannot_be_kept_is_refused_wherever_it_stands(text: str, said: str) -> None:
    """Also where the form says nothing."""
    with pytest.raises(Invalid, match=said):
        checked(json.loads(text))


def test_a_word_becomes_a_text_and_a_choice_is_spelled_as_the_service_does() -> None:
    """Tags are texts whatever was given; a choice does not mind the case of letters."""
    form = {"tags": {"*": Word}, "access": frozenset({"Enabled", "Disabled"})}
    given = {"tags": {"a": 1, "b": True, "c": "x", "d": None}, "access": "enabled"}
    assert checked(given, form) == {"tags": {"a": "1", "b": "True", "c": "x", "d": None}, "access": "Enabled"}
    with pytest.raises(Invalid, match="must be one of Disabled, Enabled, and is 'on'"):
        checked({"access": "on"}, form)
