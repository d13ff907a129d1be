"""One request to a server on this machine, for a caller that awaits the answer."""

from __future__ import annotations

import asyncio

from local.routing.exchange import Address, Answer, Exchange, ExchangeFailed
from local.routing.scoring_reply import PAYLOAD_LIMIT


async def ask(address: Address, request: bytes, timeout: float) -> Answer:
    """Send a request (made by `scoring_request.request_bytes`) and return its answer, whatever its status.

    Raises:
        ExchangeFailed: no whole answer came, or it is over `PAYLOAD_LIMIT`.
        TimeoutError: none came within `timeout` seconds.
    """
    answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

    def on_outcome(outcome: Answer | ExchangeFailed) -> None:
        if answer.done():
            return
        if isinstance(outcome, Answer):
            answer.set_result(outcome)
        else:
            answer.set_exception(outcome)

    exchange = Exchange(address, request, PAYLOAD_LIMIT, on_outcome)
    try:
        exchange.start()
        async with asyncio.timeout(timeout):
            return await answer
    finally:
        exchange.close()
