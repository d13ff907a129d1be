"""The pages' commands, run as they stand, in one checkout: what a page shows can be typed, in that order."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from house import House, environment
from pages import PAGES, ROOT, code

# Run between the tour's last model and its end: both colours are there then.
HOW_TO = ("own-model", "own-thresholds", "debug-a-deployment", "add-a-region")
ELSEWHERE = {
    "README.md": ".ci/run runs its two commands; the one that signs in to Azure is run below, with a stand-in of az",
    "CONTRIBUTING.md": "sets up what runs this test, and asks the package index for newer versions",
    "docs/azure-setup.md": "makes resources that cost money: run below, with stand-ins of az and gh",
    "docs/local-workspace.md": "tests/local/test_page.py runs them",
}
# Commands in the text, for which the pages' blocks have no place, with the exit code that is meant.
REFUSED = {
    "inv demo --json": 1, "inv key": 2, "inv train-prod": 1, "inv workspace.reset": 1, "inv cancel": 2, "inv shift": 2,
}  # fmt: skip
LAST = ("inv rollback", "inv cleanup", "inv workspace.reset")  # what leaves nothing for the others
RUN_ELSEWHERE = {
    "inv demo": ".ci/run, with all the data",
    "inv status --watch": "tests/test_terminal.py: it goes on until Ctrl-C",
    "inv -f mine.yaml status": "tests/test_own_data.py has such a file",
    "inv -f mine.yaml train-dev": "tests/test_own_data.py has such a file",
    "inv -f eu.yaml doctor": "its workspace is one on Azure",
    "inv -f eu.yaml deploy": "its workspace is one on Azure",
}
# Answers what the page's next lines use, and writes down each call: one line of JSON with its words.
STAND_IN = """#!{python}
import json, sys
print(json.dumps(sys.argv[1:]), file=open({calls!r}, "a"))
print("0" * 8 if "--query" in sys.argv or "--jq" in sys.argv else "")
"""


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


def spoken() -> set[str]:
    """Return the whole commands in the pages' text: no choice of options, no word to put something else for."""
    prose = (re.sub(r"```.*?```", "", file.read_text(), flags=re.DOTALL) for file in PAGES)
    spans = {span for text in prose for span in code(text) if span.startswith("inv ")}
    return {span for span in spans if not re.search(r"\[|\b[A-Z]+\b", span)}


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
    assert re.search(r"reports +outputs/rollouts/\S+\n +outputs/jobs/", said[3])
    assert "rolled back: blue 100 %" in said[4]


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("page", HOW_TO)
def test_a_how_to_runs_as_it_stands(house: House, page: str) -> None:
    """Each of its blocks ends well where the tour has been taken."""
    for block in blocks(f"docs/{page}.md"):
        run(house, block)


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_commands_in_the_text_can_be_typed(house: House) -> None:
    """Each that no block runs: it ends well, or in the refusal that is meant."""
    typed = {line for page in (*HOW_TO, "tour") for block in blocks(f"docs/{page}.md") for line in block.splitlines()}
    left = spoken() - typed - set(RUN_ELSEWHERE) - {"inv studio"} | {"inv studio --no-open", "inv rollback"}
    assert set(REFUSED) | {"inv approval", "inv postman", "inv test-endpoint --slot blue"} <= left
    for command in sorted(left, key=lambda each: (LAST.index(each) if each in LAST else -1, each)):
        done = house.inv(*shlex.split(command)[1:])
        assert done.returncode == REFUSED.get(command, 0), f"{command}\n{done.stdout}\n{done.stderr}"


def test_what_is_run_elsewhere_is_said_somewhere() -> None:
    """No exception is left over."""
    assert set(RUN_ELSEWHERE) | set(REFUSED) <= spoken()


@pytest.mark.parametrize("page", ["README.md", "docs/azure-setup.md"])
def test_the_way_to_azure_is_a_script_without_a_gap(tmp_path: Path, page: str) -> None:
    """In one shell that stops at an unset variable, every call has all its words; Azure is not asked."""
    calls = tmp_path / "calls"
    for name in ("az", "gh", "inv"):
        (tmp_path / name).write_text(STAND_IN.format(python=sys.executable, calls=str(calls)))
        (tmp_path / name).chmod(0o755)
    script = "\n".join(block for block in blocks(page) if "python3 -m venv" not in block)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=tmp_path, env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    made = [json.loads(line) for line in calls.read_text().splitlines()]
    assert ["doctor"] in made
    for words in made:
        options = [at for at, word in enumerate(words) if word.startswith("--") and word not in ("--wait", "--input")]
        assert all(words[at + 1 : at + 2] and not words[at + 1].startswith("--") for at in options), words
        assert "" not in words, words


@pytest.mark.slow
def test_the_tour_ends_with_nothing_running(house: House) -> None:
    """Its last block deletes the idle colour and stops the local workspace."""
    assert "stopped" in run(house, blocks("docs/tour.md")[-1])
