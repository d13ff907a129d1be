"""Run a script and say last what it took: `python peak.py SCRIPT ARGUMENT...`; processor seconds, and MB at its peak.

The process says it of itself, for its parent cannot know: Linux carries a parent's peak over into `ru_maxrss` of a
child that was started by vfork, as subprocess does, so that a small child has its parent's.
"""

from __future__ import annotations

import runpy
import sys
import time
from pathlib import Path


def peak() -> float:
    """Return the most memory that this process held, in MB."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().partition("VmHWM:")[2].split()[0]) / 1024
    import resource

    # Bytes on macOS.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)


def main() -> None:
    """Run the script as if it were started by itself; its exit code is ours."""
    script = sys.argv[1]
    sys.argv = sys.argv[1:]
    sys.path[0] = str(Path(script).parent)
    try:
        runpy.run_path(script, run_name="__main__")
    finally:
        print(f"\n{time.process_time()} {peak()}")


if __name__ == "__main__":
    main()
