"""The local workspace's own tasks: what is refused before it is looked for."""

from __future__ import annotations

from typing import Any

import pytest

from ops import local_workspace
from ops.errors import UsageError


@pytest.mark.parametrize("lines", [0, -3])
def test_a_log_has_a_line_at_least(lines: int) -> None:
    """No line would be all of them, and less than none all but the first: as `inv logs`, it says so."""
    project: Any = None
    with pytest.raises(UsageError, match="--lines wants a number from 1 on"):
        local_workspace.logs(project, lines)
