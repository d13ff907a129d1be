"""Write what docs/reference.md says of the code: the tasks with their options, the exit codes, the faults.

`python docs/reference.py` writes anew what stands between the page's markers; all else on it is edited there. A test
says when the page is not what the code says.
"""

from __future__ import annotations

import ast
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/reference.md"


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


def tasks(module: ModuleType) -> str:
    """Return a section for each group of the menu: every task, its docstring, its options."""
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
    return "\n".join(lines[1:])


def codes(boundary: ModuleType) -> str:
    """Return a row for each error of ops, with its exit code, and for what is none of them."""
    rows, inherited = [(0, "", "done")], {"Exception": 0}
    for node in ast.parse((ROOT / "src/ops/errors.py").read_text()).body:
        if isinstance(node, ast.ClassDef):
            own = [
                each.value for each in node.body if isinstance(each, ast.Assign) and "exit_code" in ast.unparse(each)
            ]
            code = ast.literal_eval(own[0]) if own else inherited[ast.unparse(node.bases[0])]
            inherited[node.name] = code
            rows.append((code, node.name, (ast.get_docstring(node) or "").split("\n")[0]))
    rows[1] = (rows[1][0], "any other", "it failed: a message says the thing, the fault, and what to do")
    rows.append((boundary.WRONG_USAGE, "", "a word on the command line that inv does not know"))
    rows.append((boundary.INTERRUPTED, "", "Ctrl-C; what was begun in the workspace goes on there"))
    rows.append((boundary.READER_LEFT, "", "who read the output has stopped reading, as `head` does"))
    shown = [(code, f"`{name}`" if name[:1].isupper() else name, said) for code, name, said in sorted(rows)]
    lines = [f"| {code} | {name} | {said} |" for code, name, said in shown]
    return "\n".join(["| code | error | when |", "|---|---|---|", *lines])


def faults() -> str:
    """Return the manual of the route that makes calls fail."""
    manual = ast.get_docstring(ast.parse((ROOT / "src/local/control/faults.py").read_text())) or ""
    return "```text\n" + manual + "\n```"


def filled(text: str, part: str, made: str) -> str:
    """Return the page with what is made between the two markers of a part; ValueError when they are not there."""
    before, rest = text.split(f"<!-- made: {part} -->\n")
    _, after = rest.split(f"<!-- end: {part} -->\n")
    return f"{before}<!-- made: {part} -->\n\n{made}\n\n<!-- end: {part} -->\n{after}"


def page() -> str:
    """Return the text of the page, with its made parts as the code has them now."""
    module = loaded(ROOT / "tasks.py")
    text = PAGE.read_text()
    for part, made in (("tasks", tasks(module)), ("exit codes", codes(module.boundary)), ("faults", faults())):
        text = filled(text, part, made)
    return text


if __name__ == "__main__":
    PAGE.write_text(page())
