"""The pages of the repository, and what is read off them."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDERS = (ROOT, ROOT / "docs", ROOT / "data", ROOT / "demo")
PAGES = sorted(file for folder in FOLDERS for file in folder.glob("*.md"))


def page(name: str) -> str:
    return (ROOT / name).read_text()


def code(text: str) -> list[str]:
    """Return what stands between backticks in running text, and the lines of shell blocks."""
    blocks = re.findall(r"```bash\n(.*?)```", text, flags=re.DOTALL)
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    return re.findall(r"`([^`\n]+)`", prose) + [line for block in blocks for line in block.splitlines()]


def rows_of(text: str) -> list[list[str]]:
    """Return the cells of every table row of a page."""
    lines = (line for line in text.splitlines() if line.startswith("|") and not line.startswith("|---"))
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
