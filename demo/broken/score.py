"""A bad release: it asks for a file that was never packed, and so fails on every request."""

from pathlib import Path
from typing import Any

import good_score


def init() -> None:
    """Load the model, which works."""
    good_score.init()


def run(body: Any) -> Any:
    """Read the thresholds that somebody forgot to pack; never gets as far as an answer."""
    return float(Path("thresholds.txt").read_text())
