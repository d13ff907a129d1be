"""The page on which people watch: the local workspace's own studio, or the endpoint's page of Azure ML Studio."""

from __future__ import annotations

import sys
import webbrowser
from typing import TYPE_CHECKING
from urllib.parse import quote

from ops import console, workspace
from ops.errors import UsageError

if TYPE_CHECKING:
    from ops.project import Project
    from ops.settings import Settings


def show(project: Project, *, no_open: bool) -> None:
    """Open the page in a browser; print its address when there is none to open it in, or when asked to."""
    address = link(project.settings)
    opened = not no_open and sys.stdout.isatty() and _open(address)
    if project.settings.is_local:
        once = "it signs one browser in, once, within five minutes"
        console.say("studio: opened in your browser" if opened else f"studio: open this link; {once}")
    else:
        console.say("Azure ML Studio: opened in your browser" if opened else "Azure ML Studio:")
    if not opened:
        print(address)


def link(settings: Settings) -> str:
    """Return the address; that of a local workspace is a secret, and good for one browser."""
    return workspace.studio_link(settings) if settings.is_local else azure_page(settings)


def azure_page(settings: Settings) -> str:
    """Return the address of the endpoint's page in Azure ML Studio. Whether the endpoint is there is seen there."""
    missing = [key for key in ("subscription", "resource_group") if not getattr(settings, key)]
    if missing:
        raise UsageError(f"set {' and '.join(missing)}: they name the workspace whose page is to be opened")
    path = (
        f"/subscriptions/{settings.subscription}/resourceGroups/{settings.resource_group}"
        f"/providers/Microsoft.MachineLearningServices/workspaces/{settings.workspace}"
    )
    return f"https://ml.azure.com/endpoints/realtime/{quote(settings.names.endpoint)}/detail?wsid={quote(path)}"


def _open(address: str) -> bool:
    try:
        return webbrowser.open(address)
    except webbrowser.Error:
        return False
