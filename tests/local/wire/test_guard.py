"""What is derived from the workspace's token."""

from __future__ import annotations

import pytest

from local.wire.guard import Guard


def test_no_two_purposes_have_the_same_secret() -> None:
    """However their parts are cut, and whatever is in a name."""
    guard = Guard("token", frozenset())
    purposes = [("a", "b", "c"), ("a", "b\nc"), ("a\nb", "c"), ("a", 'b", "c'), ("a", "b", "c", "")]
    assert len({guard.derive(*purpose) for purpose in purposes}) == len(purposes)


@pytest.mark.parametrize("token", ["", " \n"])
def test_no_guard_has_an_empty_token(token: str) -> None:
    """A call without one would be let in."""
    with pytest.raises(ValueError, match="token is empty"):
        Guard(token, frozenset())
    assert not Guard("token", frozenset()).is_token("")
