"""One question to a container: is it up?"""

from __future__ import annotations

import asyncio

from local.routing.calls import request_bytes
from local.routing.exchange import Address, Answer, Exchange, ExchangeFailed

_MOST_BYTES = 64 << 10


async def ask(address: Address, target: str, timeout: float) -> Answer:
    """GET `target` and give the answer; raise ExchangeFailed, or TimeoutError after `timeout` seconds."""
    outcome: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

    def done(came: Answer | ExchangeFailed) -> None:
        if outcome.done():
            return
        if isinstance(came, Answer):
            outcome.set_result(came)
        else:
            outcome.set_exception(came)

    exchange = Exchange(address, request_bytes("GET", target, [], b""), _MOST_BYTES, done)
    try:
        exchange.start()
        async with asyncio.timeout(timeout):
            return await outcome
    finally:
        exchange.close()
