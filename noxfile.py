"""Is it right? Each session answers one part of that; `nox -l` lists them, `nox` runs those that gate a change."""

from __future__ import annotations

import os
from pathlib import Path

import nox

nox.needs_version = ">=2025.2"
nox.options.default_venv_backend = "uv|virtualenv"
# An interpreter that is not there is skipped, and nox says so; also in CI, where it would fail by default.
nox.options.error_on_missing_interpreters = False
nox.options.download_python = "never"
nox.options.sessions = ["lint", "types", "docs", "tests", "integration", "oldest", "e2e"]

PYTHONS = ["3.11", "3.12", "3.13"]
CODE = ["src", "tests", "bench", "data", "demo", *map(str, sorted(Path("docs").glob("*.py"))), "tasks.py", "noxfile.py"]
# Compiled modules make every process of a test start two to three times faster.
WITH_BYTECODE = {"PYTHONDONTWRITEBYTECODE": None}
SCHEMAS = {
    "github-workflows": "workflows/*.yml",
    "github-actions": "actions/*/action.yml",
    "dependabot": "dependabot.yml",
}
# Which workspace `nox -s azure` works on; it costs money there.
AZURE = ["INVOKE_WORKSPACE", "INVOKE_RESOURCE_GROUP", "INVOKE_SUBSCRIPTION"]
# Other servers of models, which `nox -s bench` measures beside ours.
PEERS = ["mlflow", "mlserver", "litserve", "bentoml"]
FRONTS = ["haproxy", "nginx"]
# Slow tests that have a session of their own.
ELSEWHERE = ["--ignore=tests/workflows", "--ignore=tests/azure", "--ignore=tests/studio"]
CHROMIUM = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]
# A file's tests share what they start, so a file stays in one process.
IN_PARALLEL = ["-n", "2", "--dist", "loadfile"]
# Those of e2e in the order of tests/conftest.py: by time, where pytest-xdist would go by the number of tests.
LONGEST_FIRST = [*IN_PARALLEL, "--no-loadscope-reorder"]


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run the unit tests: a minute, for after each change."""
    session.install("-r", "requirements-dev.txt")
    session.run("pytest", "-m", "not integration and not slow", *IN_PARALLEL, *session.posargs, env=WITH_BYTECODE)


@nox.session(python=PYTHONS)
def integration(session: nox.Session) -> None:
    """Run the tests on a running local workspace, through the SDK, and those with processes of their own."""
    session.install("-r", "requirements-dev.txt")
    session.run("pytest", "-m", "integration and not slow", *IN_PARALLEL, *session.posargs, env=WITH_BYTECODE)


@nox.session(python="3.11")
def oldest(session: nox.Session) -> None:
    """Run the unit and the integration tests with the oldest dependencies that pyproject.toml allows."""
    session.run_install("uv", "pip", "install", "--resolution", "lowest-direct", "-r", "pyproject.toml", external=True)
    session.run_install("uv", "pip", "install", "--group", "dev", external=True)
    session.run("pytest", "-m", "not slow", *IN_PARALLEL, *session.posargs, env=WITH_BYTECODE)


@nox.session(python="3.11")
def e2e(session: nox.Session) -> None:
    """Run the whole flow, row by row, on local workspaces made for it."""
    session.install("-r", "requirements-dev.txt")
    session.run("pytest", "-m", "slow", *ELSEWHERE, *LONGEST_FIRST, *session.posargs, env=WITH_BYTECODE)


@nox.session(python="3.11")
def lint(session: nox.Session) -> None:
    """Check style, format and who imports whom."""
    session.install("-r", "requirements-dev.txt")
    session.run("ruff", "check", *CODE)
    session.run("ruff", "format", "--check", *CODE)
    session.run("lint-imports", env={"PYTHONPATH": "src"})


@nox.session(python="3.11")
def types(session: nox.Session) -> None:
    """Check the types."""
    session.install("-r", "requirements-dev.txt")
    session.run("mypy")


@nox.session(python="3.11")
def docs(session: nox.Session) -> None:
    """Build the docs site in outputs/site/html; a missing link, or anything loaded from elsewhere, fails it."""
    session.install("-r", "requirements-dev.txt")
    session.run("python", "docs/site.py")
    session.run("zensical", "build", "--strict", "--clean")
    session.run("python", "docs/site.py", "check")


@nox.session(python="3.11", default=False)
def workflows(session: nox.Session) -> None:
    """Check the workflows, then run them on this machine against a local workspace."""
    session.install("-r", "requirements-dev.txt")
    session.run("actionlint")
    session.run("zizmor", "--offline", "--strict-collection", "--persona=pedantic", ".github")
    for kind, files in SCHEMAS.items():
        found = [str(file) for file in sorted(Path(".github").glob(files))]
        session.run("check-jsonschema", "--builtin-schema", f"vendor.{kind}", *found)
    session.run("pytest", "tests/workflows", *session.posargs, env=WITH_BYTECODE)


@nox.session(python="3.11", default=False)
def azure(session: nox.Session) -> None:
    """Run the whole flow on a real workspace and delete what it made; say so when there is none."""
    missing = [name for name in AZURE if not os.environ.get(name)]
    if missing:
        session.skip(f"DID NOT RUN, nothing was proved about Azure: set {', '.join(missing)}, and sign in")
    session.install("-r", "requirements-dev.txt")
    session.run("pytest", "tests/azure", *session.posargs, env=WITH_BYTECODE)


@nox.session(python="3.11", default=False)
def studio(session: nox.Session) -> None:
    """Drive the studio's page in a real Chromium, installed from Debian when it can be; say so when there is none."""
    if not _there(*CHROMIUM) and _there("apt-get") and os.geteuid() == 0:
        session.run_install("apt-get", "install", "--yes", "chromium", external=True, success_codes=range(256))
    if not _there(*CHROMIUM):
        session.skip("DID NOT RUN, nothing was proved about the page: apt-get install chromium")
    session.install("-r", "requirements-dev.txt", "-r", "requirements-studio.txt")
    session.run("pytest", "tests/studio", *session.posargs, env=WITH_BYTECODE)


def _there(*names: str) -> bool:
    return any(Path(folder, name).exists() for folder in os.get_exec_path() for name in names)


@nox.session(python="3.11", default=False)
def lock(session: nox.Session) -> None:
    """Write requirements.txt, requirements-dev.txt and requirements-studio.txt anew from pyproject.toml."""
    session.install("uv")
    compile_ = ["uv", "pip", "compile", "--quiet", "--universal", "--python-version", "3.11", "--generate-hashes"]
    compile_ += ["--no-emit-index-url", "--no-emit-find-links", "--no-annotate", "--no-header", "pyproject.toml"]
    session.run(*compile_, *session.posargs, "-o", "requirements.txt")
    groups = ["--group", "dev", "--group", "workflows", "--group", "docs"]
    session.run(*compile_, *session.posargs, *groups, "-c", "requirements.txt", "-o", "requirements-dev.txt")
    # Apart from the others: a browser's driver of 40 MB, which one session alone uses.
    only = [word for word in compile_ if word != "pyproject.toml"] + ["--group", "studio", "-c", "requirements-dev.txt"]
    session.run(*only, *session.posargs, "-o", "requirements-studio.txt")


@nox.session(python="3.11", default=False)
def data(session: nox.Session) -> None:
    """Make data/dev, data/prod and data/live anew; git shows whether anything changed."""
    session.install("-r", "requirements-dev.txt")
    session.run("python", "data/prepare.py")


@nox.session(python="3.11", default=False)
def bench(session: nox.Session) -> None:
    """Measure everything beside its references and write docs/benchmarks.md; `-- quick` prints the main ratios only."""
    session.install("-r", "requirements-dev.txt")
    quick = "quick" in session.posargs
    asked = " ".join(word for word in session.posargs if word != "quick")
    # Neither is made ready in vain: it takes minutes.
    whole = not quick and "--only" not in asked
    if whole or "routing" in asked:
        _fronts(session)
    chosen = ["--peers", str(_peers(session))] if whole or "rival_servers" in asked else []
    chosen += ["--quick"] if quick else []
    session.run("python", "-m", "bench", *chosen, *asked.split(), env={**WITH_BYTECODE, "PYTHONPATH": "src"})


def _fronts(session: nox.Session) -> None:
    """Install the programs that the router is measured beside from Debian when it can be; the bench says what is not.

    Their packages would start them as services, which SYSTEMD_OFFLINE keeps systemd from.
    """
    missing = [name for name in FRONTS if not _there(name) and not Path("/usr/sbin", name).exists()]
    if missing and _there("apt-get") and os.geteuid() == 0:
        install = ["apt-get", "install", "--yes", *missing]
        session.run_install(*install, external=True, success_codes=range(256), env={"SYSTEMD_OFFLINE": "1"})


def _peers(session: nox.Session) -> Path:
    """Give each other server of models an environment of its own; one that cannot be made is said by the bench."""
    folder = Path(session.virtualenv.location) / "peers"
    for name in PEERS:
        place = str(folder / name)
        make = ["uv", "venv", "--quiet", "--allow-existing", "--python", str(Path(session.bin, "python")), place]
        session.run_install(*make, external=True, success_codes=range(256))
        install = ["uv", "pip", "install", "--quiet", "--python", place, name, "onnxruntime"]
        session.run_install(*install, external=True, success_codes=range(256))
    return folder
