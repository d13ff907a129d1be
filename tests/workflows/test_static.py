"""What act does not look at, read from the workflows themselves: triggers, permissions, environments, pins, limits."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from test_docs import sessions

GITHUB = Path(__file__).parents[2] / ".github"
TRAIN, DEPLOY, CHECKS = "06-train-and-deploy.yml", "07-deploy-model.yml", "checks.yml"
WORKFLOWS = (TRAIN, DEPLOY, CHECKS)
FILES = [*(GITHUB / "workflows" / name for name in WORKFLOWS), GITHUB / "actions/setup/action.yml"]
# Each action that is used: its version, and the commit of that version.
PINS = {
    "actions/checkout": ("v7.0.1", "3d3c42e5aac5ba805825da76410c181273ba90b1"),
    "actions/setup-python": ("v7.0.0", "5fda3b95a4ea91299a34e894583c3862153e4b97"),
    "actions/upload-artifact": ("v7.0.1", "043fb46d1a93c77aae656e7c1c64a875d1fc6a0a"),
}
TASK_OR_SESSION = re.compile(r"((exec )?inv|nox -s) \S")


def workflow(name: str) -> dict[str, Any]:
    """Return the workflow with every scalar as text, so that `on` is not read as a truth value."""
    found: dict[str, Any] = yaml.load((GITHUB / "workflows" / name).read_text(), Loader=yaml.BaseLoader)
    return found


def jobs() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Give every job with its workflow's name and its own."""
    for name in WORKFLOWS:
        for key, job in workflow(name)["jobs"].items():
            yield name, key, job


JOBS = [pytest.param(job, id=f"{name.split('-')[0]}:{key}") for name, key, job in jobs()]


def test_row_1_a_push_to_main_starts_the_training() -> None:
    """FLOW 1: by a push to main that touches what a model is made of, and by hand; by nothing else."""
    triggers = workflow(TRAIN)["on"]
    assert set(triggers) == {"push", "workflow_dispatch"}
    assert triggers["push"]["branches"] == ["main"]
    root = GITHUB.parent
    assert [path for path in triggers["push"]["paths"] if not list(root.glob(path.removesuffix("/**")))] == []
    assert {"data/**", "src/train/**", "environment.yml", "invoke.yaml"} <= set(triggers["push"]["paths"])


def test_row_10_only_a_person_starts_a_deployment() -> None:
    """FLOW 10: workflow_dispatch, what to do from a list, and a dry run unless that is unticked."""
    triggers = workflow(DEPLOY)["on"]
    assert set(triggers) == {"workflow_dispatch"}
    inputs = triggers["workflow_dispatch"]["inputs"]
    assert inputs["action"]["options"] == ["deploy", "rollout", "shift", "rollback", "cleanup"]
    assert inputs["slot"]["options"] == ["idle", "blue", "green"]
    assert inputs["dry-run"]["default"] == "true"


def test_row_6_production_stands_behind_its_environment() -> None:
    """FLOW 6: the production job needs the dev job and sits in `production`; only it trains on production data."""
    jobs = workflow(TRAIN)["jobs"]
    assert jobs["dev"]["environment"] == "dev"
    assert jobs["production"]["environment"] == "production"
    assert jobs["production"]["needs"] == "dev"
    gated = [key for key, job in jobs.items() if any("train-prod" in step.get("run", "") for step in job["steps"])]
    assert gated == ["production"]


def test_a_rollback_waits_for_nobody() -> None:
    """Every other change sits in `production`; the way back and a look have environments and queues of their own."""
    job = workflow(DEPLOY)["jobs"]["endpoint"]
    look, back = "inputs.dry-run &&", "inputs.action == 'rollback' &&"
    assert job["environment"] == f"${{{{ {look} 'dev' || {back} 'rollback' || 'production' }}}}"
    assert job["concurrency"]["group"] == f"endpoint${{{{ {look} '-look' || {back} '-rollback' || '' }}}}"


def test_who_approves_sees_what_is_forced() -> None:
    """In the run's name, and the tasks that have a rule to override are told."""
    assert "inputs.force && ' (forced)'" in workflow(DEPLOY)["run-name"]
    steps = [step.get("run", "") for step in workflow(DEPLOY)["jobs"]["endpoint"]["steps"]]
    forced = [step.split()[2] for step in steps if "${FORCE:+--force}" in step]
    assert forced == ["deploy", "rollout", "cleanup"]


def test_what_waits_for_its_approval_keeps_nobody_from_the_endpoint() -> None:
    """GitHub may count a job that waits for a reviewer as one at work: training and deploying have queues of their own.

    One group at the jobs, never at the workflow, and whoever is at it is never cut off.
    """
    assert "concurrency" not in workflow(TRAIN)
    assert "concurrency" not in workflow(DEPLOY)
    groups = [
        job["concurrency"]["group"].split("$")[0] for name in (TRAIN, DEPLOY) for job in workflow(name)["jobs"].values()
    ]
    assert groups == ["dev", "production-training", "endpoint"]
    for name in (TRAIN, DEPLOY):
        assert {job["concurrency"]["cancel-in-progress"] for job in workflow(name)["jobs"].values()} == {"false"}
        # Of those that wait, GitHub keeps but the newest unless it is told to keep them all.
        queues = [job["concurrency"] for job in workflow(name)["jobs"].values()]
        assert {each["queue"] for each in queues if each["group"] != "dev"} == {"max"}


@pytest.mark.parametrize("name", [TRAIN, DEPLOY])
def test_a_cancelled_run_interrupts_the_task_itself(name: str) -> None:
    """GitHub interrupts the step's first process and no other: the shell makes way for the task."""
    steps = [step["run"] for job in workflow(name)["jobs"].values() for step in job["steps"] if "run" in step]
    assert [step for step in steps if not step.startswith("exec inv ")] == []


@pytest.mark.parametrize("name", WORKFLOWS)
def test_nothing_is_permitted_but_what_a_job_asks_for(name: str) -> None:
    """None at the top; a job may read the code, and get a token to sign in with where it works on the workspace."""
    assert workflow(name)["permissions"] == {}
    allowed = {"contents": "read"} | ({} if name == CHECKS else {"id-token": "write"})
    assert [job["permissions"] for job in workflow(name)["jobs"].values() if job["permissions"] != allowed] == []


@pytest.mark.parametrize("job", JOBS)
def test_a_job_has_a_time_out_and_a_fixed_machine(job: dict[str, Any]) -> None:
    """At most GitHub's own six hours, on a labelled image that does not move."""
    assert 0 < int(job["timeout-minutes"]) <= 360
    assert job["runs-on"] == "ubuntu-24.04"


@pytest.mark.parametrize("job", JOBS)
def test_a_step_runs_one_task_or_one_session(job: dict[str, Any]) -> None:
    """A single line, `inv ...` or `nox -s ...`, that a person can type as well."""
    for step in job["steps"]:
        assert ("run" in step) != ("uses" in step)
        assert "run" not in step or TASK_OR_SESSION.match(step["run"])
        assert "\n" not in step.get("run", "").strip()


@pytest.mark.parametrize("job", JOBS)
def test_a_checkout_keeps_no_credentials(job: dict[str, Any]) -> None:
    """No later step finds the token in .git/config."""
    checkouts = [step for step in job["steps"] if step.get("uses", "").startswith("actions/checkout@")]
    assert [step["with"]["persist-credentials"] for step in checkouts] == ["false"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_action_is_pinned_to_a_commit(file: Path) -> None:
    """And the comment beside it says which version that is."""
    used = re.findall(r"uses: (\S+?)@(\S+)(?: # (\S+))?$", file.read_text(), re.MULTILINE)
    assert used
    assert [(action, version, sha) for action, sha, version in used if PINS[action] != (version, sha)] == []
    local = re.findall(r"uses: (\./\S+)$", file.read_text(), re.MULTILINE)
    assert len(used) + len(local) == file.read_text().count("uses: ")
    assert all((GITHUB.parent / place / "action.yml").exists() for place in local)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_no_expression_stands_in_a_script(file: Path) -> None:
    """What a person typed reaches a shell as a variable, never as its text; no secret is used at all."""
    assert re.findall(r"run:.*\$\{\{", file.read_text()) == []
    assert "secrets." not in file.read_text()


@pytest.mark.parametrize("name", WORKFLOWS)
def test_steps_stop_at_the_first_failure_of_a_pipe(name: str) -> None:
    """`shell: bash` is -e and pipefail; the default is not."""
    assert workflow(name)["defaults"] == {"run": {"shell": "bash"}}


def test_checks_run_every_session_that_gates() -> None:
    """Those that `nox` alone runs, the workflows, and the studio in a browser."""
    matrix = workflow(CHECKS)["jobs"]["checks"]["strategy"]["matrix"]
    run = {*matrix["session"], *(more["session"] for more in matrix["include"])}
    gating = {name for name, chosen in sessions().items() if chosen}
    assert gating | {"workflows", "studio"} == {session.split("-")[0] for session in run}
    assert {"tests-3.11", "tests-3.12", "tests-3.13"} <= run


def test_the_setup_page_makes_what_the_workflows_use() -> None:
    """docs/azure-setup.md sets every variable and makes every environment, with a federated credential for each."""
    page = (GITHUB.parent / "docs/azure-setup.md").read_text()
    text = "".join(file.read_text() for file in FILES)
    used = set(re.findall(r"vars\.(\w+)", text))
    assert used == set(re.findall(r"gh variable set (\w+)", page))
    environments = {"dev", "production", "rollback"}
    assert set(re.findall(r":environment:(\w+)\"", page)) == environments
    assert set(re.findall(r"AZURE_CLIENT_ID --env (\w+)", page)) == environments
    named = [job.get("environment", "") for _, _, job in jobs()]
    assert {word for words in named for word in re.findall(r"\b(?:dev|production|rollback)\b", words)} == environments
