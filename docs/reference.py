"""Write docs/reference.md from the code: the tasks with their options, the exit codes, the faults.

`python docs/reference.py` writes the page anew; a test says when it is not what the code says.
"""

from __future__ import annotations

import ast
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/reference.md"
WORDS = """\
# Reference

Made by `python docs/reference.py` from the code. The rest of the reference has pages of its own:
[settings.md](settings.md), and [local-workspace.md](local-workspace.md), which has what the local workspace covers,
operation by operation.

## Tasks

`inv` shows them, `inv --help TASK` one of them, `inv --debug TASK` adds the traceback of an error. A file of your own
with settings comes before the task: `inv -f mine.yaml TASK`.
"""
CODES = """
## Exit codes

| code | error | when |
|---|---|---|
| 0 | | done |
"""
RESULTS = """
With `--json` standard output is one JSON object, however a task ends; what people read goes to standard error.
`"outcome": "done"` stands beside what the task found. After an error there are `outcome`, `reason` and `exit_code`, and
after checks that failed, `checks`. Only `inv status --watch` writes more than one object, one at each change.

The outcome is `done`, the error's name in small letters with hyphens (as `rolled-back` or `test-failed`),
`interrupted`, or `error` for anything else. In GitHub Actions each task also sets it as the step output `result`.

## Faults

The local workspace fails on request, to test what must survive it. The manual, as the code has it:

"""


def loaded(file: Path) -> ModuleType:
    """Return tasks.py as a module, and leave the interpreter's excepthook as it was."""
    hook = sys.excepthook
    spec = importlib.util.spec_from_file_location("documented_tasks", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.excepthook = hook
    return module


def tasks() -> list[str]:
    """Return a section for each group of the menu: every task, its docstring, its options."""
    module = loaded(ROOT / "tasks.py")
    lines: list[str] = []
    for group, verbs in {**module.MENU, "local workspace": module.WORKSPACE}.items():
        lines += ["", f"### {group}"]
        for verb in verbs:
            sentence, _, more = (verb.__doc__ or "").partition("\n")
            lines += ["", f"`inv {module.NAMES[verb]}`: {sentence} {' '.join(more.split())}".rstrip(), ""]
            arguments = verb.get_arguments()
            lines += ["| option | |", "|---|---|"] if arguments else []
            for argument in arguments:
                value = "" if argument.kind is bool else f" {argument.name.replace('_', '-').upper()}"
                lines.append(f"| `--{argument.name.replace('_', '-')}{value}` | {argument.help} |")
    return lines


def codes() -> list[str]:
    """Return a row for each error of ops, with its exit code, and for what is none of them."""
    rows, inherited = [], {"Exception": 0}
    for node in ast.parse((ROOT / "src/ops/errors.py").read_text()).body:
        if isinstance(node, ast.ClassDef):
            own = [
                each.value for each in node.body if isinstance(each, ast.Assign) and "exit_code" in ast.unparse(each)
            ]
            code = ast.literal_eval(own[0]) if own else inherited[ast.unparse(node.bases[0])]
            inherited[node.name] = code
            rows.append((code, node.name, (ast.get_docstring(node) or "").split("\n")[0]))
    rows[0] = (rows[0][0], "any other", "it failed: a message says the thing, the fault, and what to do")
    rows.append((2, "", "a word on the command line that inv does not know"))
    rows.append((130, "", "Ctrl-C; what was begun in the workspace goes on there"))
    return [f"| {code} | {f'`{name}`' if name[:1].isupper() else name} | {said} |" for code, name, said in sorted(rows)]


def faults() -> str:
    """Return the manual of the route that makes calls fail."""
    manual = ast.get_docstring(ast.parse((ROOT / "src/local/control/faults.py").read_text())) or ""
    return "```text\n" + manual + "\n```"


def page() -> str:
    """Return the text of the page."""
    return WORDS + "\n".join(tasks()) + "\n" + CODES + "\n".join(codes()) + "\n" + RESULTS + faults() + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())
