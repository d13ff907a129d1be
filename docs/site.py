"""Lay out the pages of the docs site: the repository's Markdown at its own paths, with the files that it links to.

`python docs/site.py` writes outputs/site/pages, which `nox -s docs` builds strictly. A link that holds in the
repository holds on the site, and one that does not is an error.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = ROOT / "outputs/site/pages"
FOLDERS = (".", "docs", "data", "demo")
_LINK = re.compile(r"""(?:\]\(|(?:src|srcset|href)=")([^)#\s"]+)""")


def pages() -> list[Path]:
    """Return every page, in order of its path."""
    return sorted(file for folder in FOLDERS for file in (ROOT / folder).glob("*.md"))


def linked(page: Path) -> set[Path]:
    """Return the files of the repository, other than pages, that a page links to or shows."""
    targets = (target for target in _LINK.findall(page.read_text()) if "://" not in target)
    found = {(page.parent / target).resolve() for target in targets}
    return {file for file in found if file.is_file() and file.suffix != ".md" and file.is_relative_to(ROOT)}


def lay_out(folder: Path) -> int:
    """Copy pages and what they link to into `folder`, which is emptied first; return how many pages there are."""
    shutil.rmtree(folder, ignore_errors=True)
    found = pages()
    for file in {*found, *(each for page in found for each in linked(page))}:
        target = folder / file.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)
    return len(found)


if __name__ == "__main__":
    print(f"{lay_out(PAGES)} pages in {PAGES.relative_to(ROOT)}")
