"""Lay out the pages of the docs site: the repository's Markdown at its own paths, with the files that it links to.

`python docs/site.py` writes outputs/site/pages, which `nox -s docs` builds strictly. A link that holds in the
repository holds on the site, and one that does not is an error; diagrams become the pictures that docs/diagrams.py
drew. `python docs/site.py check` fails when a page that was built would have a browser load anything from elsewhere.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from os.path import relpath
from pathlib import Path

from diagrams import BLOCK, KEPT, THEMES, picture

ROOT = Path(__file__).resolve().parents[1]
PAGES, BUILT = ROOT / "outputs/site/pages", ROOT / "outputs/site/html"
STYLE = "docs/site.css"
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
        if file in found:
            target.write_text(with_pictures(file))
        else:
            shutil.copy(file, target)
    shutil.copy(ROOT / STYLE, folder / STYLE)
    shutil.copytree(KEPT, folder / KEPT.relative_to(ROOT), dirs_exist_ok=True)
    return len(found)


def with_pictures(page: Path) -> str:
    """Return a page with its diagrams as pictures, of which the site shows that of its theme."""

    def drawn(block: re.Match[str]) -> str:
        here = {theme: relpath(KEPT / picture(block[1], theme), page.parent) for theme in THEMES}
        missing = [name for name in here.values() if not (page.parent / name).exists()]
        if missing:
            raise SystemExit(f"{page.name}: a diagram has no picture {missing[0]}; docs/diagrams.py draws it")
        says = "The diagram of what the text and the tables below say"
        return "\n".join(f"![{says}]({name}#only-{theme})" for theme, name in here.items())

    return BLOCK.sub(drawn, page.read_text())


class Loads(HTMLParser):
    """Collects what a page has a browser load: scripts, styles, fonts, pictures, frames; a link is only followed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [
            f"<{tag} {name}={value}>"
            for name, value in attrs
            if value and name in _LOADING.get(tag, _LOADING[""]) and re.match(r"\s*([a-z]+:)?//", value)
        ]
        if tag in ("pre", "div") and "mermaid" in (dict(attrs).get("class") or "").split():
            self.found.append("a diagram that the browser would draw with a script of another server")


_LOADING = {"": ("src", "srcset", "poster", "data"), "link": ("href",), "use": ("href",), "image": ("href",)}
_OUTSIDE = re.compile(r"""(?:@import|url\()\s*["']?((?:[a-z]+:)?//[^"')\s]+)""")


def outside(folder: Path) -> Iterator[str]:
    """Give each thing that the built pages and their styles load from another server."""
    for file in sorted([*folder.rglob("*.html"), *folder.rglob("*.css"), *folder.rglob("*.svg")]):
        text = file.read_text(errors="replace")
        found = [] if file.suffix == ".css" else Loads(text).found
        for each in [*found, *_OUTSIDE.findall(text)]:
            yield f"{file.relative_to(folder)}: {each}"


if __name__ == "__main__":
    if sys.argv[1:] == ["check"]:
        faults = list(outside(BUILT))
        sys.exit("\n".join(["loaded from elsewhere:", *faults]) if faults else 0)
    print(f"{lay_out(PAGES)} pages in {PAGES.relative_to(ROOT)}")
