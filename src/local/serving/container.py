"""Run Microsoft's inference server on a socket that the supervisor opened. A script, not a module.

It stands where the container's entry point stands on Azure, and adds three things to `azmlinfsrv`, which by
itself listens on every interface:

- the listening socket is handed down, by the protocol that gunicorn shares with systemd (LISTEN_FDS,
  LISTEN_PID): a Unix socket in a private folder, so that no port is open and nobody can call the model past
  its keys;
- the processes die with the supervisor (Linux: PR_SET_PDEATHSIG, which a fork resets, so each child sets it
  again);
- the server's own libraries are imported first, and the rest waits for a line on standard input: the
  environment, folder and script to serve. The imports take longer than all the rest of a start, and can so be
  done ahead.

Arguments: the socket's file descriptor, the supervisor's pid.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
FIRST_FD = 3
AHEAD = (
    "azure.monitor.opentelemetry.exporter",
    "flask",
    "flask_cors",
    "gunicorn.app.wsgiapp",
    "gunicorn.workers.sync",
    "inference_schema.schema_util",
    "opentelemetry.sdk._logs.export",
    "opentelemetry.sdk.trace.export",
    "pydantic_settings",
)


def die_with_parent(parent: int) -> None:
    """Ask the kernel for SIGKILL when `parent` has gone; end now if it went before the question."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def follow_forks() -> None:
    """Make each process that is forked from here die with the one that forked it."""
    forker = [os.getpid()]
    os.register_at_fork(
        before=lambda: forker.__setitem__(0, os.getpid()), after_in_child=lambda: die_with_parent(forker[0])
    )


def hand_down(descriptor: int) -> None:
    """Put the listening socket where gunicorn looks for one."""
    if descriptor != FIRST_FD:
        os.dup2(descriptor, FIRST_FD)
        os.close(descriptor)
    os.set_inheritable(FIRST_FD, True)
    os.environ["LISTEN_FDS"] = "1"
    os.environ["LISTEN_PID"] = str(os.getpid())


def import_ahead() -> None:
    """Import what the server will need; what this version of it does not have is left to it."""
    for name in AHEAD:
        try:
            importlib.import_module(name)
        except ImportError:
            continue


def keep_to_the_folder() -> None:
    """Turn off gunicorn's control socket, which newer versions open in the user's home for anybody who finds it."""
    from gunicorn.config import KNOWN_SETTINGS

    if any(setting.name == "control_socket_disable" for setting in KNOWN_SETTINGS):
        os.environ["GUNICORN_CMD_ARGS"] = "--no-control-socket"


def main(arguments: list[str]) -> None:
    """Serve, by the order read from standard input: {"environment", "folder", "script", "log"}."""
    descriptor, parent = int(arguments[0]), int(arguments[1])
    die_with_parent(parent)
    follow_forks()
    import_ahead()
    line = sys.stdin.readline()
    if not line:
        return
    order = json.loads(line)
    log = os.open(order["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    for stream in (1, 2):
        os.dup2(log, stream)
    os.close(log)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.environ.clear()
    os.environ.update(order["environment"])
    hand_down(descriptor)
    keep_to_the_folder()
    os.chdir(order["folder"])
    sys.path[:0] = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    sys.argv = ["azmlinfsrv", "--entry_script", order["script"]]
    from azureml_inference_server_http.amlserver import run

    run()


if __name__ == "__main__":
    main(sys.argv[1:])
