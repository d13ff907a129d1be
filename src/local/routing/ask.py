"""One request to a server of this machine, for who waits for its answer."""

from __future__ import annotations

import asyncio

from local.routing.exchange import Address, Answer, Exchange, ExchangeFailed
from local.routing.replies import PAYLOAD_LIMIT


async def ask(address: Address, request: bytes, timeout: float) -> Answer:
    """Send a request (of `calls.request_bytes`) and give its answer, whatever its status.

    Raise ExchangeFailed if none comes whole or it is over `PAYLOAD_LIMIT`, and TimeoutError after `timeout` seconds.
    """
    outcome: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

    def done(came: Answer | ExchangeFailed) -> None:
        if outcome.done():
            return
        if isinstance(came, Answer):
            outcome.set_result(came)
        else:
            outcome.set_exception(came)

    exchange = Exchange(address, request, PAYLOAD_LIMIT, done)
    try:
        exchange.start()
        async with asyncio.timeout(timeout):
            return await outcome
    finally:
        exchange.close()
