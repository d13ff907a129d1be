"""GitHub on this machine: a committed checkout, and act, which runs its workflows as processes here, without Docker.

act knows no environments, so a job of an environment with reviewers is given a job before it that waits for a file:
`approve` and `reject` write it. That is a job and not a first step, since GitHub runs no step of a rejected job, not
even those that ask for failure().
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import requests
import yaml
from house import ROOT, House, environment

from local import launch
from ops import status
from ops.project import Project

SETUP_PYTHON = "actions/setup-python@5fda3b95a4ea91299a34e894583c3862153e4b97"
REVIEWED = "production"
DEADLINE_SECONDS = 120
# What setup-python would bring: a Python whose packages are installed already, and a pip that notes what it is told.
STUB = """\
name: stub
description: Puts this test's own Python on the path.
inputs:
  python-version: {description: unused, required: true}
  cache: {description: unused}
  cache-dependency-path: {description: unused}
runs:
  using: composite
  steps:
    - shell: bash
      run: echo "$STUB_BIN" >> "$GITHUB_PATH"
"""
PYTHON = """\
#!/bin/sh
if [ "$1 $2" = "-m pip" ]; then shift 2; echo "$@" >> "$PIP_CALLS"; exit 0; fi
exec {python} "$@"
"""
INV = """\
#!/bin/sh
exec {python} -m invoke "$@"
"""


def program(name: str) -> str:
    """Return the path of a tool that was installed beside this Python."""
    return str(Path(sysconfig.get_path("scripts")) / name)


@dataclass
class Run:
    """One run of a workflow: what act printed, as records."""

    process: subprocess.Popen[str]
    records: list[dict[str, Any]] = field(default_factory=list)

    def read_until(self, done: Callable[[dict[str, Any]], bool]) -> dict[str, Any] | None:
        """Take records up to the first for which `done` holds, and return it; None when the run ended without it."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            # What act itself has to say, before it begins, is not JSON.
            record = json.loads(line) if line.startswith("{") else {"msg": line}
            self.records.append(record)
            if done(record):
                return record
        return None

    def finish(self) -> Run:
        """Take the records up to the end."""
        self.read_until(lambda record: False)
        self.process.wait(DEADLINE_SECONDS)
        return self

    @property
    def jobs(self) -> dict[str, str]:
        """How each job that was begun ended. A job that never began is not in it."""
        return {str(record["jobID"]): str(record["jobResult"]) for record in self.records if "jobResult" in record}

    def steps(self, job: str) -> dict[str, str]:
        """How each step of a job that was begun ended, by its name."""
        return {
            str(record["step"]): str(record["stepResult"])
            for record in self.records
            if record.get("jobID") == job and "stepResult" in record and record.get("stage") == "Main"
        }

    @property
    def said(self) -> str:
        """All that the steps printed."""
        return "\n".join(str(record.get("msg", "")).rstrip("\n") for record in self.records)

    def outputs(self, step: str) -> dict[str, str]:
        """What the step with this name handed to the later ones."""
        set_here = [r for r in self.records if r.get("command") == "set-output" and r.get("step") == step]
        return {str(record["name"]): str(record["arg"]) for record in set_here}

    def summary(self, step: str) -> str:
        """What the step with this name wrote on the run's page."""
        found = [r for r in self.records if r.get("command") == "summary" and r.get("step") == step]
        return "\n".join(str(record.get("content", "")) for record in found)


class Hub:
    """A checkout with its workflows, the local workspace that they work on, and a way to start them."""

    def __init__(self, house: House, place: Path) -> None:
        """Commit the checkout in `house`; `place` gets the workspace and all that act writes."""
        self.house = house
        self.place = place
        self.state = place / "state"  # outside the checkout, since each job gets a copy of that
        self.approvals = place / "approvals"
        self.pip_calls = place / "pip-calls"
        self._make_tools()
        shutil.copytree(ROOT / ".github", house.root / ".github")
        for name in (".gitignore", "requirements.txt", "requirements-dev.txt"):
            shutil.copy(ROOT / name, house.root)
        for file in (house.root / ".github/workflows").glob("*.yml"):
            file.write_text(gated(file.read_text()))
        self._git("init", "--quiet", "--initial-branch=main")
        self._git("remote", "add", "origin", "https://github.invalid/owner/project.git")
        self.commit("the project")

    def _make_tools(self) -> None:
        tools = self.place / "bin"
        tools.mkdir(parents=True)
        self.approvals.mkdir()
        for name, script in (("python", PYTHON), ("inv", INV)):
            (tools / name).write_text(script.format(python=sys.executable))
            (tools / name).chmod(0o755)
        (self.place / "setup-python").mkdir()
        (self.place / "setup-python/action.yml").write_text(STUB)

    def commit(self, message: str) -> str:
        """Commit everything in the checkout and return the commit."""
        self._git("add", "--all")
        self._git("commit", "--quiet", "--allow-empty", "-m", message)
        return self._git("rev-parse", "HEAD")

    def _git(self, *words: str) -> str:
        who = ["-c", "user.name=A. Person", "-c", "user.email=person@example.invalid"]
        done = subprocess.run(
            ["git", *who, *words], cwd=self.house.root, env=environment(), capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    @property
    def settings(self) -> dict[str, str]:
        """The variables that point a task at the workspace, wherever the checkout is."""
        return {"INVOKE_LOCAL_FOLDER": str(self.state)}

    def inv(self, *words: str) -> str:
        """Run a task as a person at a terminal would, and return what it printed."""
        done = self.house.inv(*words, **self.settings)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    @cached_property
    def project(self) -> Project:
        """The project in this process, on the same workspace: to read back what the runs did."""
        values = self.house.settings()
        return Project({**values, "local": {"folder": str(self.state)}}, self.house.root)

    def status(self) -> dict[str, Any]:
        """Return what `inv status --json` would say."""
        names = self.project.settings.names
        return status.snapshot(
            self.project.client, endpoint=names.endpoint, model=names.model, experiment=names.experiment
        )

    def traffic(self) -> dict[str, int]:
        """Return the share of each colour."""
        return {slot["slot"]: slot["traffic"] for slot in self.status()["slots"]}

    def break_next(self, method: str, path: str, status: int) -> None:
        """Have the workspace answer the next such call with this status."""
        found = launch.find(self.state)
        assert found is not None
        requests.put(
            f"{found.arm.rstrip('/')}/local/faults",
            json={"control": [{"method": method, "path": path, "status": status}]},
            headers={"Authorization": f"Bearer {found.token()}"},
            verify=found.ca_bundle,
            timeout=30,
        ).raise_for_status()

    def approve(self) -> None:
        """Answer yes as the reviewer of the environment."""
        (self.approvals / f"{REVIEWED}.approved").touch()

    def reject(self) -> None:
        """Answer no."""
        (self.approvals / f"{REVIEWED}.rejected").touch()

    def push(self, **variables: str) -> AbstractContextManager[Run]:
        """Start the training workflow as a push to main does."""
        return self._act("push", "06-train-and-deploy.yml", {}, variables)

    def dispatch(self, **inputs: str) -> Run:
        """Start the deployment workflow as a person does on GitHub's page, and return its finished run."""
        with self.dispatched({}, **inputs) as run:
            return run.finish()

    def dispatched(self, variables: Mapping[str, str], **inputs: str) -> AbstractContextManager[Run]:
        """Start it and go on beside it; `variables` are in the environment of its steps."""
        typed = {name.replace("_", "-"): value for name, value in inputs.items()}
        return self._act("workflow_dispatch", "07-deploy-model.yml", typed, variables)

    @contextmanager
    def _act(self, event: str, workflow: str, inputs: Mapping[str, str], variables: Mapping[str, str]) -> Iterator[Run]:
        for answer in self.approvals.iterdir():
            answer.unlink()
        own = {
            "STUB_BIN": str(self.place / "bin"),
            "PIP_CALLS": str(self.pip_calls),
            "APPROVALS": str(self.approvals),
        }
        words = [program("act"), event, "-C", str(self.house.root), "-W", f".github/workflows/{workflow}", "--json"]
        words += ["-P", "ubuntu-24.04=-self-hosted", "--no-cache-server", "--artifact-server-addr", "127.0.0.1"]
        words += ["--action-cache-path", str(self.place / "cache"), "--var", "AZURE_WORKSPACE=local"]
        words += ["--local-repository", f"{SETUP_PYTHON}={self.place / 'setup-python'}"]
        for kind in ("env", "secret", "var", "input"):
            words += [f"--{kind}-file", os.devnull]
        for name, value in {**self.settings, **own, **variables}.items():
            words += ["--env", f"{name}={value}"]
        for name, value in inputs.items():
            words += ["--input", f"{name}={value}"]
        kept = {name: value for name, value in environment().items() if name in ("PATH", "LANG", "TMPDIR")}
        process = subprocess.Popen(
            words,
            env={**kept, "HOME": str(self.place)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            yield Run(process)
        finally:
            process.terminate()
            process.wait(DEADLINE_SECONDS)


def gated(workflow: str) -> str:
    """Return the workflow with a job that waits for the reviewer's answer before each job of his environment."""
    content = yaml.safe_load(workflow)
    content["on"] = content.pop(True)  # which is how YAML 1.1 reads that word
    for name, job in list(content["jobs"].items()):
        # act does not know it yet, and takes no workflow with a word that it does not know; it queues nothing anyhow.
        job.get("concurrency", {}).pop("queue", None)
        if job.get("environment") != REVIEWED:
            continue
        answered = f'"$APPROVALS/{REVIEWED}.approved" ] || [ -e "$APPROVALS/{REVIEWED}.rejected" ]'
        wait = f'until [ -e {answered}; do sleep 0.1; done; [ ! -e "$APPROVALS/{REVIEWED}.rejected" ]'
        needs = job.get("needs", [])
        content["jobs"][f"gate-{name}"] = {
            "runs-on": "ubuntu-24.04",
            "needs": needs,
            "steps": [{"name": "Wait for the reviewer", "shell": "bash", "run": wait}],
        }
        job["needs"] = [*([needs] if isinstance(needs, str) else needs), f"gate-{name}"]
    return yaml.safe_dump(content, sort_keys=False, width=1000)
