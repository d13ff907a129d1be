"""Write the tables of docs/local-workspace.md: which operations of the SDK are done, and the test that shows each.

`python docs/local_workspace.py` writes anew what stands between the page's markers; all else on it is edited there. An
operation is done when a test of tests/local calls it through the unmodified SDK.
"""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import azure.ai.ml
from azure.ai.ml import MLClient

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/local-workspace.md"
# The groups that the flow is made of. All the others are answered with 501, which names the operation.
GROUPS = (
    "jobs",
    "models",
    "environments",
    "data",
    "datastores",
    "compute",
    "online_endpoints",
    "online_deployments",
    "workspaces",
)
_CALL = re.compile(r"(\w+)\.(\w+)$")
BEGIN, END = "<!-- made by docs/local_workspace.py -->\n", "<!-- end -->\n"


def operations(group: str) -> list[str]:
    """Return the public operations of one group of MLClient."""
    kind = inspect.signature(getattr(MLClient, group).fget).return_annotation
    found = getattr(azure.ai.ml.operations, kind) if isinstance(kind, str) else kind
    return sorted(
        name
        for name in dir(found)
        if not name.startswith("_") and inspect.isfunction(inspect.unwrap(getattr(found, name)))
    )


def shown() -> dict[tuple[str, str], str]:
    """Return the first test that calls each (group, operation)."""
    found: dict[tuple[str, str], str] = {}
    for file in sorted((ROOT / "tests/local").rglob("test_*.py")):
        tree = ast.parse(file.read_text())
        functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
        # A test itself is a better witness than a fixture or a method that tests use.
        for function in sorted(functions, key=lambda node: not node.name.startswith("test_")):
            for node in ast.walk(function):
                if isinstance(node, ast.Call) and (match := _CALL.search(ast.unparse(node.func))):
                    where = f"{file.relative_to(ROOT).as_posix()}::{function.name}"
                    found.setdefault((match[1], match[2]), where)
    return found


def tables() -> str:
    """Return a table for each group of operations."""
    sources = f"azure-ai-ml {azure.ai.ml.__version__} and the tests"
    lines = [f"Made by `python docs/local_workspace.py` from {sources}: an operation is done when a test calls it."]
    tests = shown()
    for group in GROUPS:
        lines += ["", f"### {group}", "", "| operation | done | test |", "|---|---|---|"]
        for name in operations(group):
            test = tests.get((group, name))
            lines.append(f"| `{name}` | {'yes' if test else 'no'} | {f'`{test}`' if test else ''} |")
    return "\n".join(lines)


def page() -> str:
    """Return the text of the page with its tables made anew; ValueError when its markers are not there."""
    before, rest = PAGE.read_text().split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n{tables()}\n\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(page())
