"""Take the pictures of the studio that stand in docs/: `python docs/screenshots.py`; with `--all FOLDER` every view.

It runs `inv demo` on a local workspace of its own, and takes the pictures with Chromium (apt-get install chromium;
pip install -r requirements-studio.txt) while the rollout goes on and after it.
`--all` is for looking at a change: each view at both widths and in both themes.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

ROOT = Path(__file__).parents[1]
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
THEMES = ("light", "dark")
WIDTHS = {"desktop": (1280, 900), "phone": (390, 844)}
# What the demo says when the page is opened, and when the steps begin at which the pictures are taken.
ROLLOUT = "6. Roll out"
STEPS = {"traffic: blue 75 %": "endpoint", "traffic: blue 50 %": "rollout"}


def main(argv: list[str] | None = None) -> None:
    """Take the pictures of docs/, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", metavar="FOLDER", help="take each view at both widths, in both themes, to look at")
    everything = parser.parse_args(argv).all
    from playwright.sync_api import sync_playwright

    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        sys.exit("no chromium here: apt-get install chromium")
    folder = Path(everything) if everything else ROOT / "docs"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as state, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--headless", "--no-sandbox"])
        page = browser.new_page(reduced_motion="reduce")
        try:
            _take(page, Path(state) / "workspace", folder, everything=bool(everything))
        finally:
            browser.close()
            _inv(Path(state) / "workspace", "workspace.stop")


def _take(page: Page, state: Path, folder: Path, *, everything: bool) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "invoke", "demo", "--yes"], cwd=ROOT, env=_environment(state), stdout=subprocess.PIPE,
        text=True,
    ) as demo:  # fmt: skip
        assert demo.stdout is not None
        for line in demo.stdout:
            print(line, end="", flush=True)
            if ROLLOUT in line:
                page.goto(_inv(state, "studio", "--no-open").splitlines()[-1])
            for step, view in STEPS.items():
                if step in line:
                    _shoot(page, folder, (view,), everything=everything)
    assert demo.returncode == 0
    _go(page, "test")
    page.click("#send")
    page.wait_for_selector(".answer .badge")
    _shoot(page, folder, ("test",), everything=everything, there=True)
    if everything:
        _shoot(page, folder, ("models", "jobs"), everything=True)
        page.click("ul.jobs a >> nth=0")
        page.wait_for_selector(".plots img")
        _shoot(page, folder, ("job",), everything=True, there=True)


def _shoot(page: Page, folder: Path, views: tuple[str, ...], *, everything: bool, there: bool = False) -> None:
    for view in views:
        if not there:
            _go(page, view)
        for width, (across, down) in WIDTHS.items() if everything else [("", WIDTHS["desktop"])]:
            page.set_viewport_size({"width": across, "height": down})
            for theme in THEMES:
                page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
                page.wait_for_timeout(400)
                name = "-".join(filter(None, ["studio", view, width, theme]))
                page.screenshot(path=folder / f"{name}.png", full_page=everything)
        page.set_viewport_size({"width": 1280, "height": 900})


def _go(page: Page, view: str) -> None:
    page.evaluate("view => { location.hash = `#/${view}`; }", view)
    page.wait_for_selector("main .view h1")
    page.wait_for_timeout(1500)  # for a look or two of the curves, and the sample request


def _inv(state: Path, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "invoke", *words], cwd=ROOT, env=_environment(state), text=True, stdout=subprocess.PIPE,
        check=True,
    )  # fmt: skip
    return done.stdout


def _environment(state: Path) -> dict[str, str]:
    return {**os.environ, "INVOKE_LOCAL_FOLDER": str(state)}


if __name__ == "__main__":
    main()
