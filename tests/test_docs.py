"""What the pages say is so: commands, tasks, sessions, files, links (test_docs_flow, _settings, _run: the rest)."""

from __future__ import annotations

import ast
import os
import re
import shlex
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from pages import PAGES, ROOT, code, page, rows_of
from test_tasks import all_tasks, options

# Options of inv itself, which come before the task.
CORE_OPTIONS = {"--list", "--help", "--debug", "-f"}


def commands(text: str) -> list[str]:
    """Return the lines that make an environment and do something in it."""
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line.startswith("python3 -m venv .venv && ")]


def test_readme_has_two_commands_and_ci_runs_them() -> None:
    """The very same text, in the same order, and nothing else of that kind."""
    assert commands(page("README.md")) == commands(page(".ci/run"))
    assert [line.split(" && ")[-1] for line in commands(page("README.md"))] == [".venv/bin/inv demo", ".venv/bin/nox"]


@pytest.mark.parametrize("failing", ["pip", "inv", "nox", ""])
def test_ci_stops_at_the_first_failure(tmp_path: Path, failing: str) -> None:
    """Whichever program fails is the last one of the commands, and the local workspace is stopped all the same."""
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci/run", tmp_path / ".ci/run")
    program = f'#!/bin/sh\necho "${{0##*/}} $1"\n[ "${{0##*/}}" != "{failing}" ] || [ "$1" = workspace.stop ]\n'
    (tmp_path / "program").write_text(program)
    made = "".join(f"cp program .venv/bin/{name}\nchmod +x .venv/bin/{name}\n" for name in ("pip", "inv", "nox"))
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python3").write_text(f"#!/bin/sh\nmkdir -p .venv/bin\n{made}")
    (tmp_path / "bin/python3").chmod(0o755)
    done = subprocess.run(
        [tmp_path / ".ci/run"],
        env={"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode == 0) is (failing == ""), done.stderr
    ran = [line for line in done.stdout.splitlines() if "command:" not in line]
    whole = ["pip install", "inv demo", "pip install", "nox "]
    last = {"pip": 1, "inv": 2, "nox": 4, "": 4}[failing]
    assert ran == [*whole[:last], "inv workspace.stop"]


def test_ci_starts_from_nothing_and_leaves_nothing() -> None:
    """It can be executed, stops at the first failure, removes what was there, and stops the local workspace."""
    script = page(".ci/run")
    assert os.access(ROOT / ".ci/run", os.X_OK)
    unset = "unset PYTHONDONTWRITEBYTECODE PYTHONUNBUFFERED"
    for line in ("#!/usr/bin/env bash", "set -euo pipefail", unset, "rm -rf .venv .workspace", "trap stop EXIT"):
        assert line in script.splitlines()
    assert "workspace.stop" in script


def documented_tasks() -> dict[str, str]:
    """Return the first cell of the README's row for each task."""
    found = {}
    for first, *_ in rows_of(page("README.md")):
        words = re.match(r"`inv ([\w.-]+)", first)
        if words:
            assert words[1] not in found, f"{words[1]} stands there twice"
            found[words[1]] = first
    return found


def test_readme_lists_every_task() -> None:
    """And none that does not exist."""
    assert set(documented_tasks()) == set(all_tasks())


@pytest.mark.parametrize("name", sorted(all_tasks()))
def test_readme_lists_every_option(name: str) -> None:
    """The task's row has its options, all of them and no other."""
    assert set(re.findall(r"--[a-z-]+", documented_tasks()[name])) == set(options(name))


def spoken_tasks(text: str) -> Iterator[tuple[str, set[str]]]:
    """Give each task that a page names as a command, with the options beside it."""
    for words in re.findall(
        r"(?:^|[ /(])inv ((?:-f \S+ |--\w+ )?[a-z][\w.-]*[^\n`&;|)]*)", "\n".join(code(text)), re.MULTILINE
    ):
        parts = shlex.split(words.replace("[", "").replace("]", ""))
        while parts and parts[0] in CORE_OPTIONS:
            parts = parts[2 if parts[0] == "-f" else 1 :]
        if parts and parts[0].islower():
            yield parts[0], {part.split("=")[0] for part in parts[1:] if part.startswith("--")}


@pytest.mark.parametrize("file", PAGES, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_pages_name_only_tasks_and_options_that_exist(file: Path) -> None:
    """A command that a page shows can be typed."""
    for name, given in spoken_tasks(file.read_text()):
        assert name in all_tasks(), f"inv {name}"
        assert given <= set(options(name)), f"inv {name}"


def sessions() -> dict[str, bool]:
    """Return nox's sessions, and whether `nox` alone runs each."""
    source = ast.parse(page("noxfile.py"))
    found = [node.name for node in ast.walk(source) if isinstance(node, ast.FunctionDef) and node.decorator_list]
    assigned = {ast.unparse(node.targets[0]): node.value for node in source.body if isinstance(node, ast.Assign)}
    chosen = ast.literal_eval(assigned["nox.options.sessions"])
    return {name: name in chosen for name in found}


def test_contributing_lists_every_session() -> None:
    """And which of them `nox` alone runs."""
    listed = {}
    for first, *rest in rows_of(page("CONTRIBUTING.md")):
        found = re.fullmatch(r"`nox -s (\w+)`", first)
        if found:
            listed[found[1]] = rest[0] == "·"
    assert listed == sessions()


@pytest.mark.parametrize("file", PAGES, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_pages_name_only_sessions_that_exist(file: Path) -> None:
    """What stands after `nox -s` is in noxfile.py."""
    for words in re.findall(r"nox -s ((?:\w+ ?)+)", "\n".join(code(file.read_text()))):
        assert set(words.split()) <= set(sessions())


def anchors(file: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    heads = re.findall(r"^#+ (.+)$", file.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("file", PAGES, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_links_between_pages_lead_somewhere(file: Path) -> None:
    """The file is there, and the heading too when one is named."""
    for target in re.findall(r"\]\(([^)\s]+)\)", file.read_text()):
        if target.startswith(("http://", "https://")):
            continue
        path, _, anchor = target.partition("#")
        there = (file.parent / path).resolve() if path else file
        assert there.exists(), target
        assert not anchor or anchor in anchors(there), target


@pytest.mark.parametrize("file", PAGES, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_files_that_pages_name_are_there(file: Path) -> None:
    """`ops/wait.py` counts from src; the workflows are named before they exist."""
    named = [
        word for word in code(file.read_text()) if re.fullmatch(r"[\w-][\w./-]*/[\w.-]+\.(py|yml|yaml|md|json)", word)
    ]
    made = ("outputs/",)
    missing = [word for word in named if not any((base / word).exists() for base in (ROOT, ROOT / "src", file.parent))]
    assert [word for word in missing if not word.startswith(made)] == []


def test_the_site_leads_to_every_page() -> None:
    """Each page stands in the menu of zensical.toml."""
    groups = tomllib.loads(page("zensical.toml"))["project"]["nav"]
    listed = {name for group in groups for names in group.values() for name in names}
    assert {file.relative_to(ROOT).as_posix() for file in PAGES} <= listed


def test_the_licence_is_the_one_that_is_declared() -> None:
    """MIT in pyproject.toml and in LICENSE."""
    assert 'license = "MIT"' in page("pyproject.toml")
    assert page("LICENSE").startswith("MIT License")


def test_readme_is_read_in_three_minutes() -> None:
    """At most some 1500 words, recorded output and tables included."""
    assert len(page("README.md").split()) <= 1500
