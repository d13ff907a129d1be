"""Servers that are started to be measured, on free ports of the loopback address, and ended."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bench.tools.load import Address, drive


class ServerFailed(Exception):
    """A server did not come up; the text ends with what it said."""


def free_port() -> int:
    """Return a port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@contextlib.contextmanager
def running(
    command: Sequence[str], variables: Mapping[str, str], folder: Path, log: Path, port: int, request: bytes
) -> Iterator[tuple[Address, float]]:
    """Run a server until `request` has got a 200 from it; give its address and the seconds that took."""
    address = ("127.0.0.1", port)
    started = time.perf_counter()
    with log.open("wb") as output:
        process = subprocess.Popen(
            list(command), cwd=folder, env=dict(variables), stdout=output, stderr=output, start_new_session=True
        )
    try:
        while not _answers(address, request):
            if process.poll() is not None or time.perf_counter() - started > 120:
                raise ServerFailed(f"{command[0]} did not come up: {log.read_text(errors='replace')[-1500:]}")
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.01)
        yield address, time.perf_counter() - started
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _answers(address: Address, request: bytes) -> bool:
    try:
        load = drive(address, request, 1, 0.001)
    except (OSError, TimeoutError):
        return False
    return len(load.seconds) > 0
