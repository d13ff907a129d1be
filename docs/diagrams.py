"""Draw the pages' Mermaid diagrams as pictures for the docs site, which loads nothing from elsewhere.

GitHub draws a ```mermaid block itself. A site would have a browser load Mermaid, 5 MB of it, from another server: so
each diagram is drawn once, light and dark, and kept in docs/diagrams under the digest of its source, and docs/site.py
puts it in the block's place. After a change of a diagram, with Node.js, Chromium and the packages of
requirements-studio.txt there:

    npm install --prefix outputs/mermaid mermaid@12.3.0
    python docs/diagrams.py
"""

from __future__ import annotations

import json
import re
import shutil
from hashlib import sha256
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
KEPT = ROOT / "docs/diagrams"
MERMAID = ROOT / "outputs/mermaid/node_modules/mermaid/dist/mermaid.min.js"
THEMES = ("light", "dark")
BLOCK = re.compile(r"^```mermaid\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# The colours of the studio and the reports (src/ops/page.py).
COLOURS = {
    "light": {"ink": "#1b1f24", "dim": "#59636e", "paper": "#ffffff", "card": "#f6f8fa", "line": "#9aa4ae"},
    "dark": {"ink": "#e6edf3", "dim": "#9da7b3", "paper": "#0d1117", "card": "#1c232c", "line": "#5c6672"},
}
DRAW = """async ([id, source, settings]) => {
    mermaid.initialize(settings);
    return (await mermaid.render(id, source)).svg;
}"""


def picture(source: str, theme: str) -> str:
    """Return the name of the picture of a diagram, in docs/diagrams."""
    return f"{sha256(source.encode()).hexdigest()[:12]}-{theme}.svg"


def sources() -> list[str]:
    """Return the source of every diagram on the pages."""
    found = (page.read_text() for page in sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]))
    return [source for text in found for source in BLOCK.findall(text)]


def settings(theme: str) -> dict[str, object]:
    """Return what Mermaid is told: text as text, so that a picture needs no HTML, in the colours of a theme."""
    named = COLOURS[theme]
    variables = {
        "background": named["paper"], "primaryColor": named["card"], "primaryTextColor": named["ink"],
        "primaryBorderColor": named["line"], "lineColor": named["dim"], "textColor": named["ink"],
        "clusterBkg": "transparent", "clusterBorder": named["line"], "edgeLabelBackground": named["paper"],
        "fontFamily": "system-ui, sans-serif", "fontSize": "15px", "darkMode": theme == "dark",
    }  # fmt: skip
    chart = {"htmlLabels": False, "padding": 8, "nodeSpacing": 22, "rankSpacing": 26, "wrappingWidth": 260}
    return {
        "startOnLoad": False, "theme": "base", "look": "classic", "htmlLabels": False, "deterministicIds": True,
        "securityLevel": "strict", "themeVariables": variables, "flowchart": chart,
    }  # fmt: skip


def sized(svg: str) -> str:
    """Return a drawing with its own size, which Mermaid leaves to the page that it is part of."""
    found = re.search(r'viewBox="\S+ \S+ (\S+) (\S+)"', svg)
    assert found, svg[:200]
    size = f'width="{float(found[1]):.0f}" height="{float(found[2]):.0f}"'
    return svg.replace('width="100%"', size, 1)


def draw() -> None:
    """Draw all diagrams anew, and nothing else stays in docs/diagrams."""
    from playwright.sync_api import sync_playwright

    shutil.rmtree(KEPT, ignore_errors=True)
    KEPT.mkdir()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page()
        page.add_script_tag(path=MERMAID)
        for source in sources():
            for theme in THEMES:
                name = picture(source, theme)
                svg = page.evaluate(DRAW, [f"d{name[:12]}", source, json.loads(json.dumps(settings(theme)))])
                (KEPT / name).write_text(sized(svg) + "\n")
                print(name)
        browser.close()


if __name__ == "__main__":
    draw()
