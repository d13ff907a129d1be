"""The life of the local workspace: what `inv workspace.*` does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ops import console, workspace
from ops.errors import NotFound, Refused

if TYPE_CHECKING:
    from ops.project import Project


def start(project: Project) -> None:
    """Start the server unless it is up, and say where it is."""
    connection = workspace.start_local(project.settings)
    console.say(f"local workspace: up, process {connection.pid}, state in {connection.folder}")


def stop(project: Project) -> None:
    """Stop the server; the state stays."""
    stopped = workspace.stop_local(project.settings)
    console.say("local workspace: stopped; its state is kept" if stopped else "local workspace: was not up")


def status(project: Project) -> dict[str, Any]:
    """Show the connection of the server that is up, and return it; NotFound when there is none."""
    connection = workspace.find_local(project.settings)
    if connection is None:
        raise NotFound("local workspace: not up; any task starts it, and so does inv workspace.start")
    console.show_pairs("local workspace", connection.to_json())
    return dict(connection.to_json())


def reset(project: Project, *, approved: bool) -> None:
    """Delete the local workspace with all that is in it, after a yes."""
    folder = project.settings.local.folder
    if not approved and not console.ask(f"Delete every job, model and deployment in {folder}?"):
        raise Refused(f"{folder} is as it was: answer yes, or give --yes")
    workspace.reset_local(project.settings)
    console.say(f"local workspace: {folder} is deleted")


def logs(project: Project, lines: int) -> None:
    """Print the end of the server's log."""
    console.check_lines(lines)
    print("\n".join(workspace.local_log(project.settings).splitlines()[-lines:]))
