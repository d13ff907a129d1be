"""The local workspace's scoring front alone, before one server: `python -m bench.tools.front PORT SOCKET KEY`.

SOCKET is the server's Unix socket, as in the workspace.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

from local.routing.backend import Backend, Limits, Upstream
from local.routing.front import Front
from local.routing.router import Router
from local.routing.routes import EndpointRoute
from local.server import bind


async def serve(port: int, upstream: str, key: str) -> None:
    """Serve `/e/score`, all of it to deployment blue."""
    router = Router()
    limits = Limits(request_timeout_ms=30_000, max_concurrent_requests_per_instance=100)
    router.set_backend("e", "blue", Backend(limits, [Upstream(upstream)], "session"))
    router.set_endpoint(EndpointRoute("e", keys=(key,), traffic={"blue": 100}))
    await Front(router).open(bind(port), backlog=512)
    await asyncio.Event().wait()


def main(argv: Sequence[str]) -> None:
    """Serve until the process is ended."""
    asyncio.run(serve(int(argv[0]), argv[1], argv[2]))


if __name__ == "__main__":
    main(sys.argv[1:])
