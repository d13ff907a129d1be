"""A machine behind a proxy, as in most companies: the local workspace is on this machine, and is reached."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from ops import workspace
from ops.errors import UsageError
from ops.settings import load

SRC = Path(__file__).parents[2] / "src"
NAMES = {"experiment": "x", "model": "flights", "endpoint": "flights"}
VALUES = {"names": NAMES, "data": {"dev": "d", "prod": "p", "live": "l"}, "train": {"target": "t", "positive": "1"}}


def test_nothing_looks_for_garbage_while_the_sdk_is_imported() -> None:
    """Whichever module asks for it first: that would take a task a quarter of a second."""
    program = """
import builtins, gc, sys
usual, states = builtins.__import__, set()
def noted(name, *rest):
    if name.startswith("azure.ai.ml") and name not in sys.modules:
        states.add(gc.isenabled())
    return usual(name, *rest)
builtins.__import__ = noted
from types import SimpleNamespace
from ops import workspace
workspace.signin.credential = None
try:
    workspace.connect(SimpleNamespace(is_local=False))
except TypeError:
    print(states, gc.isenabled())
"""
    done = subprocess.run(
        [sys.executable, "-c", program], env={"PYTHONPATH": str(SRC)}, capture_output=True, text=True, check=False
    )
    assert done.stdout == "{False} True\n", done.stderr


def test_calls_of_this_machine_pass_the_proxy(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    """What the user has excepted from it stays so; requests, which the SDK uses, then asks no proxy."""
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "intranet.example")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    settings = load({**VALUES, "workspace": "local", "local": {"folder": str(tmp_path)}})
    assert workspace.find_local(settings) is None
    assert os.environ["NO_PROXY"] == os.environ["no_proxy"] == "intranet.example,127.0.0.1"
    assert requests.utils.get_environ_proxies("https://127.0.0.1:1/") == {}
    assert requests.utils.get_environ_proxies("https://elsewhere.example/")["https"] == "http://127.0.0.1:9"


def test_azure_is_reached_as_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is excepted for a workspace on Azure."""
    monkeypatch.delenv("NO_PROXY", raising=False)
    settings = load({**VALUES, "workspace": "flights", "resource_group": "g", "subscription": "s"})
    with pytest.raises(UsageError):
        workspace.find_local(settings)
    assert "NO_PROXY" not in os.environ
