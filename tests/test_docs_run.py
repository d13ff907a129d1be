"""The pages' shell blocks, run as they stand, in one checkout: what a page shows can be typed, in that order."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from house import House, environment

ROOT = Path(__file__).parents[1]
# Run between the tour's last model and its end: both colours are there then.
HOW_TO = ("own-model", "own-thresholds", "debug-a-deployment", "add-a-region")
ELSEWHERE = {
    "README.md": "its two commands are run by .ci/run; the rest signs in to Azure",
    "CONTRIBUTING.md": "sets up what runs this test",
    "docs/azure-setup.md": "makes resources on Azure and GitHub",
    "docs/local-workspace.md": "tests/local/test_page.py runs them",
}


def blocks(page: str) -> list[str]:
    """Return the page's shell blocks, in order."""
    found: list[str] = re.findall(r"```bash\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    return found


def run(house: House, block: str) -> str:
    """Run a block as a shell does that stops at the first error; return what it printed."""
    place = house.root / "bin"
    place.mkdir(exist_ok=True)
    (place / "inv").write_text(f'#!/bin/sh\nexec {sys.executable} -m invoke "$@"\n')
    (place / "inv").chmod(0o755)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block],
        cwd=house.root,
        env=environment({"PATH": f"{place}:/usr/bin:/bin"}),
        capture_output=True,
        text=True,
        timeout=1500,
        check=False,
    )
    assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_every_page_with_commands_is_run_or_says_why_not() -> None:
    """A new page with a shell block has a place in this file."""
    pages = [file for folder in (".", "docs", "data", "demo") for file in (ROOT / folder).glob("*.md")]
    shown = {file.relative_to(ROOT).as_posix() for file in pages if "```bash" in file.read_text()}
    assert shown == {"docs/tour.md", *(f"docs/{name}.md" for name in HOW_TO), *ELSEWHERE}


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_the_tour_runs_as_it_stands(house: House) -> None:
    """Train, deploy, a second model, a rollout, back by hand; and what the page says of each is so."""
    said = [run(house, block) for block in blocks("docs/tour.md")[:-1]]
    assert "report: outputs/jobs/" in said[0]
    assert "traffic: blue 100 %" in said[1]
    assert json.loads(said[2])["predictions"]
    assert "rollout complete: green has all the traffic" in said[3]
    assert "rolled back: blue 100 %" in said[4]


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("page", HOW_TO)
def test_a_how_to_runs_as_it_stands(house: House, page: str) -> None:
    """Each of its blocks ends well where the tour has been taken."""
    for block in blocks(f"docs/{page}.md"):
        run(house, block)


@pytest.mark.slow
def test_the_tour_ends_with_nothing_running(house: House) -> None:
    """Its last block deletes the idle colour and stops the local workspace."""
    assert "stopped" in run(house, blocks("docs/tour.md")[-1])
