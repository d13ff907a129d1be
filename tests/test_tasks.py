"""The tasks are thin: a line or two each, told about in --help, and quick to list."""

from __future__ import annotations

import ast
import importlib.util
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from house import environment
from invoke.tasks import Task

ROOT = Path(__file__).parents[1]
TREE = ast.parse((ROOT / "tasks.py").read_text())
FUNCTIONS = [node for node in ast.walk(TREE) if isinstance(node, ast.FunctionDef)]
MOST_STATEMENTS = 5
# The menu gives a sentence the rest of a line of 80 columns.
LONGEST_FIRST_LINE = 60
SLOW_TO_IMPORT = ("pydantic", "azure", "pandas", "sklearn", "numpy", "requests", "rich", "onnxruntime")


@cache
def all_tasks() -> dict[str, Task]:
    """Return every task by the name that a user types; the excepthook that tasks.py installs is put back."""
    hook = sys.excepthook
    spec = importlib.util.spec_from_file_location("tasks_under_test", ROOT / "tasks.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.excepthook = hook
    return {name: module.namespace[name] for name in module.namespace.task_names}


@cache
def options(name: str) -> dict[str, str]:
    """Return a task's long options, each with its help. Cached: Invoke gives the help out once only."""
    return {
        "--" + argument.name.replace("_", "-"): argument.help or "" for argument in all_tasks()[name].get_arguments()
    }


def is_task(function: ast.FunctionDef) -> bool:
    return any("task" in (getattr(part, "id", ""), getattr(part, "attr", ""))
               for decorator in function.decorator_list for part in ast.walk(decorator))  # fmt: skip


BODIES = [function for function in FUNCTIONS if is_task(function)]


def test_every_task_function_is_reached_by_a_name() -> None:
    """None was written and then left out of the collection."""
    assert sorted(task.body.__name__ for task in all_tasks().values()) == sorted(body.name for body in BODIES)


@pytest.mark.parametrize("function", BODIES, ids=lambda function: function.name)
def test_a_task_is_at_most_five_statements(function: ast.FunctionDef) -> None:
    """Open the project, call ops, show; its docstring does not count."""
    assert len(function.body) - 1 <= MOST_STATEMENTS


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.name)
def test_nothing_in_tasks_decides_loops_or_catches(function: ast.FunctionDef) -> None:
    """No if, for, while, try or with: those have tests of their own in ops."""
    forbidden = (ast.If, ast.IfExp, ast.For, ast.While, ast.Try, ast.With, ast.comprehension, ast.Match)
    found = [type(node).__name__ for node in ast.walk(function) if isinstance(node, forbidden)]
    assert found == []


@pytest.mark.parametrize("function", BODIES, ids=lambda function: function.name)
def test_a_task_ends_through_the_one_boundary(function: ast.FunctionDef) -> None:
    """The innermost decorator turns errors into exit codes, so Invoke's own sees none."""
    assert ast.unparse(function.decorator_list[-1]) == "boundary.exits"


@pytest.mark.parametrize("name", sorted(all_tasks()))
def test_a_task_says_what_it_does(name: str) -> None:
    """The docstring's first line is one short sentence: an order, with a full stop."""
    first = (all_tasks()[name].__doc__ or "").strip().split("\n")[0]
    assert first.endswith(".")
    assert len(first) <= LONGEST_FIRST_LINE
    assert re.match(r"[A-Z][a-z]+ ", first)


@pytest.mark.parametrize("name", sorted(all_tasks()))
def test_every_option_has_help(name: str) -> None:
    """What `inv --help TASK` shows beside an option is never empty."""
    assert [option for option, said in options(name).items() if not said] == []


def test_tasks_run_nothing_by_shell() -> None:
    """No c.run, no subprocess, no os.system in tasks.py."""
    called = {ast.unparse(node.func) for node in ast.walk(TREE) if isinstance(node, ast.Call)}
    assert not {name for name in called if name in ("c.run", "c.sudo") or name.startswith(("subprocess.", "os."))}


def test_the_list_is_complete_and_imports_nothing_slow() -> None:
    """`inv --list` names every task, and loads neither the SDK nor what training and tables need."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "invoke", "--list"],
        cwd=ROOT, env=environment({"COLUMNS": "200"}), capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    listed = {line.split()[0] for line in done.stdout.splitlines()[1:] if line.startswith("  ") and line[2] != " "}
    assert listed == set(all_tasks())
    imported = {line.rsplit("|", 1)[-1].strip().split(".")[0] for line in done.stderr.splitlines() if "|" in line}
    assert "ops" in imported
    assert imported.isdisjoint(SLOW_TO_IMPORT)


def test_what_a_rollout_alone_needs_is_loaded_by_it_alone() -> None:
    """A task of another kind loads neither the evidence nor what sends probes; no task loads the SDK before it asks."""
    line = next(
        each for each in (ROOT / "tasks.py").read_text().splitlines() if each.startswith("from ops import calls")
    )
    code = f"import sys; sys.path.insert(0, 'src'); {line}; import ops.project, ops.status; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    loaded = set(done.stdout.split())
    assert "ops.rollout.ledger" in loaded
    assert loaded.isdisjoint({"ops.evidence", "ops.rollout.probes", "ops.rollout.machine"})
    assert {name.split(".")[0] for name in loaded}.isdisjoint(SLOW_TO_IMPORT)
