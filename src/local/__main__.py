"""Start, stop and look at the local workspace of a folder: python -m local --help."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from pathlib import Path

from local import launch
from local.errors import LocalError


def main(argv: list[str] | None = None) -> int:
    """Do what the arguments say; return 0, or 1 with the reason on standard error."""
    parser = argparse.ArgumentParser(prog="python -m local", description=__doc__)
    parser.add_argument("action", choices=["serve", "start", "stop", "status", "reset", "logs"])
    parser.add_argument("--folder", type=Path, default=Path(".workspace"), help="where the state is kept")
    parser.add_argument("--json", action="store_true", help="answer as JSON")
    parser.add_argument("--max-instances", type=int, default=1, help="jobs that run at the same time (serve)")
    parser.add_argument("--ready-fd", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args(argv)
    try:
        return _act(given)
    except LocalError as error:
        print(error, file=sys.stderr)
        return 1


def _act(given: argparse.Namespace) -> int:
    folder: Path = given.folder.resolve()
    match given.action:
        case "serve":
            from local.control.state import Settings
            from local.server import run

            logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
            run(folder, Settings(max_instances=given.max_instances), given.ready_fd)
        case "start":
            _show(launch.ensure(folder), given.json)
        case "status":
            connection = launch.find(folder)
            _show(connection, given.json)
            return 0 if connection else 1
        case "stop":
            print("stopped" if launch.stop(folder) else "not running")
        case "reset":
            launch.reset(folder)
            print(f"{folder} is empty")
        case "logs":
            log = launch.log_file(folder)
            sys.stdout.write(log.read_text(errors="replace") if log.exists() else "")
    return 0


def _show(connection: launch.Connection | None, as_json: bool) -> None:
    if as_json:
        print(json.dumps(connection.to_json() if connection else None, indent=2))
    elif connection is None:
        print("not running")
    else:
        print(f"running: process {connection.pid}, control {connection.arm}, scoring {connection.scoring}")


if __name__ == "__main__":
    sys.exit(main())
