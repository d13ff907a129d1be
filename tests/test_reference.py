"""docs/reference.md is what the code says."""

from __future__ import annotations

import importlib.util
from pathlib import Path

SCRIPT = Path(__file__).parents[1] / "docs/reference.py"


def test_the_reference_is_current() -> None:
    """Written anew it would be the same: python docs/reference.py."""
    specification = importlib.util.spec_from_file_location("reference_page", SCRIPT)
    assert specification is not None
    assert specification.loader is not None
    script = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(script)
    assert script.page() == script.PAGE.read_text()
