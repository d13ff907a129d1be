"""The local workspace's scoring front alone, before one server: `python -m bench.front PORT UPSTREAM_PORT KEY`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import uvicorn

from local.control.app import ScoringApp
from local.control.heads import BoundedHead
from local.routing.backend import Backend, Limits, Upstream
from local.routing.router import EndpointRoute, Router


def main(argv: Sequence[str]) -> None:
    """Serve `/e/score`, all of it to deployment blue, with the settings of local.server."""
    port, upstream, key = int(argv[0]), int(argv[1]), argv[2]
    router = Router()
    limits = Limits(request_timeout_ms=30_000, max_concurrent_requests_per_instance=100)
    router.set_backend("e", "blue", Backend(limits, [Upstream(("127.0.0.1", upstream))], "session"))
    router.set_endpoint(EndpointRoute("e", keys=(key,), traffic={"blue": 100}))
    uvicorn.run(
        ScoringApp(router, {}, "token"), host="127.0.0.1", port=port, http=BoundedHead, loop="asyncio",
        lifespan="off", log_config=None, access_log=False, server_header=False, proxy_headers=False,
    )  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1:])
