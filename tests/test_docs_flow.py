"""What docs/flow.md promises is proved: each row by tests that name it."""

from __future__ import annotations

import ast
import re
from functools import cache

import pytest
from pages import ROOT, page, rows_of

ROWS = range(1, 28)
WORKFLOW_ROWS = (1, 10)  # what GitHub does with the repository's workflows


@cache
def rows_by_test() -> dict[str, set[int]]:
    """Return every test of the suite with the rows of the flow that its name and docstring name."""
    found: dict[str, set[int]] = {}
    for file in sorted((ROOT / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                named = re.findall(r"rows?_((?:\d+_|and_|row_)*\d+)", node.name)
                rows = {int(number) for words in named for number in re.findall(r"\d+", words)}
                rows |= {int(number) for number in re.findall(r"FLOW (\d+)", ast.get_docstring(node) or "")}
                found.setdefault(node.name, set()).update(rows)
    return found


def flow() -> dict[int, list[str]]:
    """Return the rows of docs/flow.md: promise, task, where, proved by."""
    found = [cells for cells in rows_of(page("docs/flow.md")) if cells[0].isdigit()]
    assert [int(cells[0]) for cells in found] == list(ROWS)
    return {int(cells[0]): cells[1:] for cells in found}


@pytest.mark.parametrize("row", ROWS)
def test_a_row_of_the_flow_is_proved_by_the_tests_that_it_names(row: int) -> None:
    """They exist, and at least one of them names the row in turn."""
    *_, proofs = flow()[row]
    if row in WORKFLOW_ROWS and proofs == "none yet":
        return
    named = re.findall(r"`(test_\w+)`", proofs)
    assert [name for name in named if name not in rows_by_test()] == []
    assert any(row in rows_by_test()[name] for name in named)


@pytest.mark.parametrize("row", ROWS)
def test_a_row_of_the_flow_names_tasks_and_files(row: int) -> None:
    """Which verb does it (none in the rows that GitHub does), and where to look."""
    _, task, where, _ = flow()[row]
    assert bool(task) or row in WORKFLOW_ROWS
    assert re.fullmatch(r"(`((ops|ops/rollout|score)/\w+\.py|\.github/workflows/[\w-]+\.yml)`(, )?)+", where)


def test_the_diagram_has_every_row() -> None:
    """Each number stands in the Mermaid diagram of docs/flow.md."""
    [diagram] = re.findall(r"```mermaid\n(.*?)```", page("docs/flow.md"), flags=re.DOTALL)
    drawn = {int(number) for words in re.findall(r"\((\d+(?:, \d+)*)\)", diagram) for number in words.split(", ")}
    assert drawn == set(ROWS)


def test_no_test_names_a_row_that_does_not_exist() -> None:
    """There are 27."""
    assert set().union(*rows_by_test().values()) <= set(ROWS)


def test_what_the_flow_always_promises_is_tested() -> None:
    """The tests that docs/flow.md names outside its tables exist as well."""
    named = set(re.findall(r"`(test_\w+)`", page("docs/flow.md")))
    assert named - set(rows_by_test()) == set()
