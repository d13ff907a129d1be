"""What an error says in one line."""

from __future__ import annotations

import doctest

from ops import errors


def test_the_examples_in_the_docstrings() -> None:
    """They are what they say."""
    found = doctest.testmod(errors)
    assert found.attempted
    assert found.failed == 0
