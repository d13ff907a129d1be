"""The server's process, which `launch` starts and `inv workspace.start` with it: python -m local FOLDER."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from local.errors import LocalError
from local.server import run


def main(argv: list[str] | None = None) -> int:
    """Serve the folder's workspace until told to stop; return 0, or 1 with the reason on standard error."""
    parser = argparse.ArgumentParser(prog="python -m local", description=__doc__)
    parser.add_argument("folder", type=Path, help="where the state is kept")
    parser.add_argument("--ready-fd", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        run(given.folder.resolve(), given.ready_fd)
    except LocalError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
