"""The folders of the local workspace: each imports only those below it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import local

SOURCE = Path(local.__file__).parent
# From the bottom. Training and routing know nothing of each other, though one stands above.
ROOMS = ("storage", "wire", "catalog", "training", "routing", "serving", "control", "studio")


def imported(room: str) -> set[str]:
    """Return the rooms that a room's modules import, inside functions and for types too."""
    found = set()
    for file in (SOURCE / room).glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("local"):
                found.add((node.module.split(".")[1:] or [node.names[0].name])[0])
    return found - {room}


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_those_below_it(room: str) -> None:
    """And of the modules beside the rooms only those that import no room."""
    assert imported(room) <= {*ROOMS[: ROOMS.index(room)], "errors", "folder", "proof"}


def test_routing_and_training_are_strangers() -> None:
    """The router can be measured and tested with no store, no job and no SDK."""
    assert imported("routing") == {"errors"}
    assert "routing" not in imported("training")


def test_the_rooms_are_these() -> None:
    """A new folder is given its place here."""
    assert {path.parent.name for path in SOURCE.glob("*/__init__.py")} == set(ROOMS)
