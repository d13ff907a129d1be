"""The containers' logs: kept, bounded, of two containers only."""

from __future__ import annotations

from pathlib import Path

from local.serving.logs import LIMIT_BYTES, DeploymentLogs


def test_logs_are_cut_to_their_end_and_only_two_containers_have_them(tmp_path: Path) -> None:
    """A log over its limit keeps its last quarter in whole lines, and the writer goes on after it."""
    logs = DeploymentLogs(tmp_path)
    log = logs.open("endp", "blue", same=False).new_log()
    with log.open("ab", buffering=0) as writer:
        line = b"a line of the log\n"
        writer.write(line * (LIMIT_BYTES // len(line) + 10))
        logs.trim()
        writer.write(b"the last one\n")
    assert log.stat().st_size < LIMIT_BYTES / 3
    lines = log.read_bytes().splitlines()
    assert set(lines[:-1]) == {line.strip()}
    assert logs.read("endp", "blue", "inference-server", 1) == "the last one"
