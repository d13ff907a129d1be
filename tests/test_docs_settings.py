"""The settings are the same in invoke.yaml, on their page and in the code that checks them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml
from pages import PAGES, page, rows_of
from pydantic import BaseModel

from ops.settings import Settings


def leaves(values: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Return each setting by its path, as in names.endpoint."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= leaves(value, f"{above}{key}.") if isinstance(value, dict) else {above + key: value}
    return found


def fields(model: type[BaseModel], above: str = "") -> set[str]:
    """Return the paths of the settings that are checked."""
    found = set()
    for key, field in model.model_fields.items():
        name = above + (field.alias or key)
        kind = field.annotation
        found |= fields(kind, f"{name}.") if isinstance(kind, type) and issubclass(kind, BaseModel) else {name}
    return found


def test_settings_page_lists_every_setting_with_its_value() -> None:
    """docs/settings.md and invoke.yaml agree, key by key."""
    listed = {cells[0].strip("`"): cells[1].strip("`") for cells in rows_of(page("docs/settings.md"))[1:]}
    written = leaves(yaml.safe_load(page("invoke.yaml")))
    # YAML writes booleans small.
    shown = {key: str(value).lower() if isinstance(value, bool) else str(value) for key, value in written.items()}
    assert listed == {key: value or "empty" for key, value in shown.items()}


def test_every_setting_stands_in_invoke_yaml_with_a_comment() -> None:
    """The file is the list: nothing can be set that it does not show."""
    assert fields(Settings) == set(leaves(yaml.safe_load(page("invoke.yaml"))))
    lines = [line for line in page("invoke.yaml").splitlines() if re.match(r"\s*\w+:\s*\S", line)]
    assert [line for line in lines if " # " not in line] == []


def test_variables_on_pages_are_settings() -> None:
    """Every INVOKE_... of a page is a setting in capitals."""
    known = {"INVOKE_" + key.replace(".", "_").upper() for key in leaves(yaml.safe_load(page("invoke.yaml")))}
    named = {word for file in PAGES for word in re.findall(r"\bINVOKE_[A-Z_]*[A-Z]\b", file.read_text())}
    assert named <= known
