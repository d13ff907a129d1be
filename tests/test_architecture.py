"""Who may import whom, and other rules of ARCHITECTURE.md and CONTRIBUTING.md that only the source can break."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SRC = ROOT / "src"
ROOMS = ("local", "ops", "score", "train")
NOUNS = ("deployments", "endpoints", "jobs", "models", "traffic")

# A module is one noun: about 250 lines. One that needs more stands here with its reason.
MOST_LINES = 275
LONGER: dict[str, str] = {}

# Modules that decide and never act: their docstring says "Pure", or they (or their folder) are named here.
PURE = ("ops/evidence/", "train/model.py")
ACTING = {
    "asyncio", "ctypes", "http", "io", "logging", "multiprocessing", "os", "pathlib", "random", "requests",
    "secrets", "shutil", "signal", "socket", "sqlite3", "subprocess", "sys", "tempfile", "threading", "time",
    "urllib",
}  # fmt: skip
ACTING_CALLS = frozenset({"open", "print", "input", "exec", "eval"})

SLEEPERS = {
    "ops/wait.py": "the one place where ops wait",
    "local/launch.py": "waits for another process to come up or go, with a deadline",
    "local/training/watchdog.py": "waits for a process group to end, with a deadline; standard library alone",
}
ENVIRONMENT_READERS = {
    "ops/__init__.py": "pydantic's search for plug-ins, which only a variable turns off",
    "ops/actions.py": "what GitHub Actions gives a step: its files, and the run's number",
    "ops/commandline.py": "the variable that Invoke could not read, which it does not name",
    "ops/console.py": "NO_COLOR, and CI or TERM, which tell that nobody watches",
    "ops/scoring.py": "hands the key to the test's own process",
    "ops/sdk_noise.py": "the SDK's progress bars, which only a variable turns off",
    "ops/signin.py": "what GitHub Actions gives for signing in",
    "ops/variables.py": "INVOKE_*, which Invoke itself takes more lightly",
    "ops/workspace.py": "the CA bundle and the proxy's exceptions, which the SDK takes from nowhere else",
}


@dataclass(frozen=True)
class Import:
    """One import: the full name, and whether it is done when the module is loaded."""

    name: str
    at_load: bool


def modules(*rooms: str) -> list[Path]:
    return sorted(file for room in rooms or ROOMS for file in (SRC / room).rglob("*.py"))


def name(file: Path) -> str:
    return file.relative_to(SRC if file.is_relative_to(SRC) else ROOT).as_posix()


@cache
def tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text())


def imports(file: Path, *, types_too: bool = False) -> list[Import]:
    """Return what a module imports; what only a type checker sees is left out unless asked for."""
    return list(_imports(tree(file).body, True, types_too))


def _imports(body: list[ast.stmt], at_load: bool, types_too: bool) -> Iterator[Import]:
    for node in body:
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, at_load) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from (Import(f"{node.module}.{alias.name}", at_load) for alias in node.names)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test) and not types_too:
            yield from _imports(node.orelse, at_load, types_too)
        else:
            inside = at_load and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            for part in ("body", "orelse", "finalbody", "handlers", "cases"):
                yield from _imports(getattr(node, part, []), inside, types_too)


def roots(file: Path, *, at_load: bool = False, types_too: bool = False) -> set[str]:
    """Return the first part of each imported name."""
    found = imports(file, types_too=types_too)
    return {each.name.split(".")[0] for each in found if each.at_load or not at_load}


def calls(file: Path) -> set[str]:
    return {ast.unparse(node.func) for node in ast.walk(tree(file)) if isinstance(node, ast.Call)}


def is_pure(file: Path) -> bool:
    return name(file).startswith(PURE) or re.search(r"\bPure[.:]", ast.get_docstring(tree(file)) or "") is not None


def test_the_rooms_are_these() -> None:
    """A new room needs a rule of its own here."""
    assert tuple(sorted(place.name for place in SRC.iterdir() if any(place.glob("*.py")))) == ROOMS


@pytest.mark.parametrize("file", modules("train", "score"), ids=name)
def test_what_is_uploaded_alone_imports_no_other_room(file: Path) -> None:
    """src/train and src/score reach Azure as folders of their own: nothing else of the project is there."""
    here = {module.stem for module in file.parent.glob("*.py")}
    elsewhere = {module.stem for room in ROOMS for module in modules(room)} | {
        *ROOMS,
        "tests",
        "tasks",
        "invoke",
        "nox",
    }
    assert roots(file, types_too=True).isdisjoint(elsewhere - here - {"__init__"})


@pytest.mark.parametrize("file", modules("score"), ids=name)
def test_serving_a_graph_loads_neither_pandas_nor_scikit_learn(file: Path) -> None:
    """Only the fallback to the pipeline imports them, when it is taken."""
    assert roots(file, at_load=True).isdisjoint({"pandas", "sklearn", "skops", "scipy"})


@pytest.mark.parametrize("file", modules("local"), ids=name)
def test_the_local_workspace_knows_the_wire_alone(file: Path) -> None:
    """Neither the SDK nor another room, not even for types."""
    assert roots(file, types_too=True).isdisjoint({"azure", "ops", "train", "score", "invoke", "msrest"})


@pytest.mark.parametrize("file", modules("ops"), ids=name)
def test_one_module_of_ops_knows_that_a_local_workspace_exists(file: Path) -> None:
    """And none knows how training and scoring work inside."""
    allowed = {"local"} if name(file) == "ops/workspace.py" else set()
    assert roots(file, types_too=True) & {"local", "train", "score"} <= allowed


@pytest.mark.parametrize("noun", NOUNS)
def test_no_noun_of_ops_imports_another(noun: str) -> None:
    """What joins them stands in training, release and rollout."""
    found = {each.name for each in imports(SRC / "ops" / f"{noun}.py", types_too=True)}
    assert found.isdisjoint(f"ops.{other}" for other in NOUNS if other != noun)


@pytest.mark.parametrize("file", modules("ops"), ids=name)
def test_the_sdk_is_imported_when_it_is_needed(file: Path) -> None:
    """It takes more than a second to load, so no module of ops loads it by being imported."""
    assert "azure" not in roots(file, at_load=True)


def test_one_place_builds_the_client() -> None:
    """Every other function is given it."""
    assert [name(file) for file in modules() if "MLClient" in calls(file)] == ["ops/workspace.py"]


def test_there_are_pure_modules_and_they_are_found() -> None:
    """The rule below is not empty: evidence, payload, model, evaluate and the traffic rules are under it."""
    found = {name(file) for file in modules() if is_pure(file)}
    assert {
        "ops/evidence/judgement.py",
        "score/payload.py",
        "train/model.py",
        "train/evaluate.py",
        "local/routing/traffic.py",
    } <= found


@pytest.mark.parametrize("file", [file for file in modules() if is_pure(file)], ids=name)
def test_a_pure_module_does_nothing_outside_itself(file: Path) -> None:
    """It opens, prints, waits, draws and reads nothing."""
    # The spelling of addresses reaches nobody.
    acting = [each.name for each in imports(file) if not each.name.startswith("urllib.parse.")]
    assert {each.partition(".")[0] for each in acting}.isdisjoint(ACTING)
    assert calls(file).isdisjoint(ACTING_CALLS)


def test_the_tools_are_imported_by_their_files_alone() -> None:
    """Invoke by tasks.py, nox by noxfile.py; ops can be used and tested without either."""
    others = [*modules(), *(ROOT / "data").glob("*.py"), *(ROOT / "demo").rglob("*.py")]
    assert [name(file) for file in others if roots(file, types_too=True) & {"invoke", "nox"}] == []
    assert "nox" not in roots(ROOT / "tasks.py")
    assert roots(ROOT / "noxfile.py") == {"__future__", "nox", "os", "pathlib"}


@pytest.mark.parametrize("file", modules(), ids=name)
def test_a_module_is_one_noun(file: Path) -> None:
    """About 250 lines at most, and never a drawer of odds and ends."""
    lines = len(file.read_text().splitlines())
    assert lines <= MOST_LINES or name(file) in LONGER
    assert file.stem not in {"utils", "util", "common", "helpers", "helper", "misc"}


def test_nothing_sleeps_but_where_waiting_is_the_work() -> None:
    """time.sleep stands in these modules and no other."""
    found = {name(file) for file in modules() if calls(file) & {"time.sleep", "sleep"}}
    assert found == set(SLEEPERS)


def test_ops_take_plain_values() -> None:
    """The process's environment is touched where something outside leaves no other way."""
    found = {name(file) for file in modules("ops") if "os.environ" in ast.unparse(tree(file))}
    assert found <= set(ENVIRONMENT_READERS)


@pytest.mark.parametrize("room", ["local", "ops", "train"])
def test_errors_have_one_base_and_a_drawn_tree(room: str) -> None:
    """Every error of a room's errors.py comes from the first one, and stands in the docstring."""
    source = tree(SRC / room / "errors.py")
    classes = [node for node in source.body if isinstance(node, ast.ClassDef)]
    base, *rest = [node.name for node in classes]
    known = {base}
    for node in classes[1:]:
        assert {ast.unparse(parent) for parent in node.bases} & known, f"{node.name} has another base"
        known.add(node.name)
    drawn = set((ast.get_docstring(source) or "").replace("─", " ").split())
    assert {base, *rest} <= drawn


def test_modules_hold_no_state_that_changes() -> None:
    """No `global` but the one between score's two functions, which the server calls by name."""
    found = [name(file) for file in modules() if any(isinstance(node, ast.Global) for node in ast.walk(tree(file)))]
    assert found == ["score/score.py"]


def texts() -> Iterator[Path]:
    """Give every text file of the repository that a person wrote."""
    made = {"__pycache__", "outputs", "mlruns", "site"}
    for top in sorted(ROOT.iterdir()):
        if top.name in made or (top.name.startswith(".") and top.name not in (".ci", ".github", ".editorconfig")):
            continue
        for file in [top] if top.is_file() else sorted(top.rglob("*")):
            below = file.relative_to(ROOT).parts[1:]
            hidden = any(part in made or part.startswith(".") for part in below[:-1])
            if file.is_file() and not hidden and file.suffix not in (".gz", ".pyc", ".png"):
                yield file


def test_no_file_speaks_of_the_machine_it_was_written_on() -> None:
    """No absolute path of somebody's checkout, home or package mirror."""
    # Put together here, so that this file does not speak of them either.
    words = ["/" + "work/", "sha" + "red/", "/" + "root/", "/" + "Users/", "/tmp/" + "main", "/tmp/" + "brief",
             "--index" + "-url http", "extra-index" + "-url"]  # fmt: skip
    found = [(name(file), word) for file in texts() for word in words if word in file.read_text(errors="replace")]
    assert found == []


@pytest.mark.parametrize("file", [file for file in modules() if not file.stem.startswith("__")], ids=name)
def test_every_module_has_its_word_on_the_map(file: Path) -> None:
    """ARCHITECTURE.md names each: who looks for something finds it there."""
    assert re.search(rf"\b{file.stem}\b", (ROOT / "ARCHITECTURE.md").read_text())
