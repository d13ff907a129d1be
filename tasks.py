"""The tasks: `inv --list` shows them. Each opens the project, calls ops, and shows what came back."""

from __future__ import annotations

import sys
from copy import deepcopy
from itertools import chain
from pathlib import Path
from typing import Any

from invoke.collection import Collection
from invoke.config import Config
from invoke.context import Context
from invoke.exceptions import ParseError
from invoke.program import Program
from invoke.tasks import task
from invoke.util import helpline

sys.path.insert(0, str(Path(__file__).parent / "src"))

from ops import boundary, commandline

commandline.guard_start()
_INVOKE = frozenset(Config.global_defaults())
YES = "answer the question with yes"
SLOT = "blue or green"
JSON = "print JSON"


def opened(c: Context) -> Project:
    """Return the project, with invoke.yaml and the INVOKE_* variables checked."""
    return open_project(c.config, own_keys=_INVOKE)


@task(help={"yes": "empty the local workspace first, if it holds something", "json": JSON})
@boundary.exits
def demo(c: Context, yes: bool = False, json: bool = False) -> Any:
    """Run the whole flow on the local workspace, under load.

    Two models, a rollout, a broken release that its test stops, a flaky one that is rolled back.
    """
    from ops.demo import story

    return story.run(opened(c), approved=yes)


@task(help={"json": JSON})
@boundary.exits
def train_dev(c: Context, json: bool = False) -> Any:
    """Train on the dev data: a success opens production's gate."""
    project = opened(c)
    job = training.train(project.client, project.training_plan, training.DEV, console.say)
    return show.job(project, job)


@task(help={"json": JSON})
@boundary.exits
def approval(c: Context, json: bool = False) -> Any:
    """Show what is to be approved.

    The dev model against the live one, the data, the commit.
    """
    from ops import approval as approvals

    return approvals.show(opened(c))


@task(
    help={
        "yes": YES,
        "force": "train code that has no successful dev job, and register a model that is worse than the live one "
        "(recorded in tags)",
        "json": JSON,
    }
)
@boundary.exits
def train_prod(c: Context, yes: bool = False, force: bool = False, json: bool = False) -> Any:
    """Train on production data after a yes, and register."""
    project = opened(c)
    return show.job(project, project.train_prod(approved=yes, force=force))


@task(
    help={
        "job": "a completed prod job; the newest when not given",
        "force": "register a model that is worse than the live one (recorded in its tags)",
        "json": JSON,
    }
)
@boundary.exits
def register(c: Context, job: str = "", force: bool = False, json: bool = False) -> Any:
    """Register a completed prod job as the next model version."""
    return show.model(opened(c).register(job or None, force=force))


@task(
    help={
        "slot": SLOT + "; the idle one when not given",
        "version": "of the model; the newest when not given",
        "dry-run": "say what would be done",
        "force": "deploy even if nothing is newer, a library differs, or a rollout is not over; "
        "not while both colours have traffic",
        "json": JSON,
    }
)
@boundary.exits
def deploy(
    c: Context, slot: str = "", version: str = "", dry_run: bool = False, force: bool = False, json: bool = False
) -> Any:
    """Deploy the newest model to the idle colour and test it."""
    return opened(c).deploy(slot=slot or None, version=version or None, dry_run=dry_run, force=force)


@task(help={"slot": SLOT + "; as routed when not given", "json": JSON})
@boundary.exits
def test_endpoint(c: Context, slot: str = "", json: bool = False) -> Any:
    """Send good and bad requests, and check every answer."""
    project = opened(c)
    return show.checks(project.test_by_hand(project.slot(slot)))


@task(
    help={
        "green": "percent for green",
        "blue": "percent for blue",
        "mirror": "percent of copies; the live traffic stays as it is",
        "json": JSON,
    }
)
@boundary.exits
def shift(
    c: Context, green: str | None = None, blue: str | None = None, mirror: bool = False, json: bool = False
) -> Any:
    """Give a colour a share of the traffic: --green 25."""
    project = opened(c)
    slot, percent = moves.parse_shift(green, blue)
    return show.split(project.shift(slot, percent, mirror=mirror))


@task(
    help={
        "on-fail": "what a bad verdict does: rollback or pause; as in the settings when not given",
        "step": "stop after this step, in percent",
        "mirror": "percent of copies to the new deployment before its first live request",
        "dry-run": "show the steps and the verdict so far, and change nothing",
        "force": "roll out a deployment that was rolled back or judged bad before, or take over another operator's "
        "rollout",
        "json": JSON,
    }
)
@boundary.exits
def rollout(
    c: Context,
    on_fail: str = "",
    step: str = "",
    mirror: str = "",
    dry_run: bool = False,
    force: bool = False,
    json: bool = False,
) -> Any:
    """Shift to the new deployment step by step, on evidence."""
    from ops.rollout import command

    options = {"on_fail": on_fail or None, "step": step or None, "mirror": mirror or None}
    return command.run(opened(c), **options, dry_run=dry_run, force=force)


@task(help={"unfinished": "only when a rollout broke off", "json": JSON})
@boundary.exits
def rollback(c: Context, unfinished: bool = False, json: bool = False) -> Any:
    """Put all traffic back on the old colour, at once."""
    return show.split(opened(c).rollback(unfinished=unfinished))


@task(
    help={
        "force": "delete even a colour that awaits its rollout, or that a rollout would roll back to",
        "json": JSON,
    }
)
@boundary.exits
def cleanup(c: Context, force: bool = False, json: bool = False) -> Any:
    """Delete the colour that has no traffic."""
    return opened(c).cleanup(force=force)


@task(help={"json": JSON, "watch": "refresh until Ctrl-C"})
@boundary.exits
def status(c: Context, json: bool = False, watch: bool = False) -> Any:
    """Show everything at a glance, and what to do next."""
    return show.status(opened(c), as_json=json, watch=watch)


@task(help={"json": JSON})
@boundary.exits
def doctor(c: Context, json: bool = False) -> Any:
    """Check the setup, and say how to fix what is wrong.

    Versions, data, sign-in, workspace, compute, endpoint, quota.
    """
    from ops import doctor as doctors

    return doctors.run(opened(c))


@task(help={"json": JSON})
@boundary.exits
def history(c: Context, json: bool = False) -> Any:
    """List the model versions and what became of each."""
    return show.history(opened(c))


@task(help={"no-open": "print the link instead of opening a browser"})
@boundary.exits
def studio(c: Context, no_open: bool = False) -> None:
    """Open the page that shows it live, with buttons.

    The local workspace's own; on Azure, the endpoint's page of Azure ML Studio.
    """
    from ops import studio as page

    page.show(opened(c), no_open=no_open)


@task(help={"slot": SLOT + "; as routed when not given", "json": JSON})
@boundary.exits
def trace(c: Context, slot: str = "", json: bool = False) -> Any:
    """Follow a live answer back to model, job, data, commit."""
    project = opened(c)
    return show.trace(project, project.slot(slot))


@task(help={"slot": SLOT, "job": "a job's log instead", "lines": "how many, from the end"})
@boundary.exits
def logs(c: Context, slot: str = "", job: str = "", lines: int = 40) -> None:
    """Show the end of a deployment's or a job's log."""
    project = opened(c)
    show.logs(project, project.slot(slot), job or None, lines)


@task(help={"job": "its name", "json": JSON})
@boundary.exits
def cancel(c: Context, job: str, json: bool = False) -> Any:
    """Cancel a running job."""
    return opened(c).cancel(job)


@task(help={"file": "the request's JSON; the sample when not given", "slot": SLOT + "; as routed when not given"})
@boundary.exits
def score(c: Context, file: str = "", slot: str = "") -> None:
    """Send a request from a file and print the answer."""
    project = opened(c)
    calls.answer(project, file or None, project.slot(slot))


@task(help={"slot": SLOT + "; as routed when not given"})
@boundary.exits
def curl(c: Context, slot: str = "") -> None:
    """Print a cURL command that sends the sample.

    The key stays in a variable.
    """
    project = opened(c)
    calls.curl(project, project.slot(slot))


@task(help={"file": "where to write it"})
@boundary.exits
def postman(c: Context, file: str = "outputs/postman.json") -> None:
    """Write a Postman collection that sends the sample.

    The key stays a variable.
    """
    calls.postman(opened(c), file)


@task(help={"export": 'print "export ENDPOINT_KEY=..." for eval; without it the key is not shown'})
@boundary.exits
def key(c: Context, export: bool = False) -> None:
    """Hand the endpoint's key to your own shell.

    eval "$(inv key --export)" sets it.
    """
    calls.key(opened(c), export=export)


@task
@boundary.exits
def start(c: Context) -> None:
    """Start the local workspace, if it is not up."""
    local_workspace.start(opened(c))


@task
@boundary.exits
def stop(c: Context) -> None:
    """Stop the local workspace; its state is kept."""
    local_workspace.stop(opened(c))


@task(name="status", help={"json": "print what any other client needs to use it"})
@boundary.exits
def workspace_status(c: Context, json: bool = False) -> Any:
    """Show whether the local workspace is up, and where."""
    return local_workspace.status(opened(c))


@task(help={"yes": YES})
@boundary.exits
def reset(c: Context, yes: bool = False) -> None:
    """Stop the local workspace and delete everything in it."""
    local_workspace.reset(opened(c), approved=yes)


@task(name="logs", help={"lines": "how many, from the end"})
@boundary.exits
def workspace_logs(c: Context, lines: int = 40) -> None:
    """Show the end of the local workspace server's log."""
    local_workspace.logs(opened(c), lines)


WORKSPACE = (start, stop, workspace_status, workspace_logs, reset)
MENU: dict[str, tuple[Any, ...]] = {
    "train": (train_dev, approval, train_prod, register, cancel),
    "deploy": (deploy, test_endpoint, shift, rollout, rollback, cleanup, demo),
    "look": (status, studio, doctor, history, trace, logs),
    "call": (score, curl, postman, key),
}
namespace: Any = Collection(*chain(*MENU.values()), workspace=Collection(*WORKSPACE))
NAMES = {namespace[name]: name for name in namespace.task_names}


def _parsed(words: list[str]) -> dict[str, Any]:
    """Return what a command line asks for, as inv itself will read it; ParseError when it cannot."""
    program = Program()
    program.create_config()
    program.parse_core(words)
    program.collection = deepcopy(namespace)  # Invoke takes the help of options out when it parses
    program.parse_tasks()
    args = program.args
    asked = {"list": args.list.value, "format": args["list-format"].value, "help": args.help.value}
    return {**asked, "complete": args.complete.value, "tasks": program.tasks}


commandline.check(
    _parsed,
    ParseError,
    {
        group: {NAMES[verb]: helpline(verb) or "" for verb in verbs}
        for group, verbs in {**MENU, "local workspace": WORKSPACE}.items()
    },
)

# Down here, since the menu needs none of it, and asking for it should take no longer than Invoke does.
from ops import calls, console, local_workspace, show, training
from ops.project import Project, open_project
from ops.rollout import moves
