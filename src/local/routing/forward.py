"""Take one scoring request to a deployment and bring back what its client gets.

Statuses are those of Azure's managed endpoints: 200 only if the container said 200; 424 for any other status
of the container, which stands in `ms-azureml-model-error-statuscode` (the service rewrites every non-200, the
model's own 4xx included); 408 over the request timeout; 429 over the admission limit; 424 with 503 where the
container broke off.

A request is tried a second time if its instance took it and broke off before the first byte of an answer:
scoring is a function of its input, so a repeat is harmless, and a request that raced with the end of a
process is saved. One repeat only, so that a request which kills its server takes two with it at most.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from local.routing.backend import Backend, Upstream
from local.routing.exchange import Answer, AnswerTooLarge, Exchange, ExchangeFailed
from local.routing.replies import PAYLOAD_LIMIT, Reply, refusal

_SOON_SECONDS = 0.05
_UNREACHED_TRIES = 3


class TimedOut(ExchangeFailed):
    """The request timeout passed first."""


class ClientLeft(ExchangeFailed):
    """The client hung up: nobody waits for the answer."""


@dataclass(slots=True)
class Patience:
    """How long a request may take, and how to notice that its client has left.

    Watching the client costs a task, which a request that is answered within 50 ms never pays.
    """

    deadline: float
    left: Callable[[], Awaitable[None]] | None = None
    timer: asyncio.TimerHandle | None = None
    watcher: asyncio.Task[None] | None = None

    async def outcome(self, exchange: Exchange) -> Answer:
        """Wait for the answer; raise TimedOut or ClientLeft if that comes first."""
        loop = asyncio.get_running_loop()
        soon = min(loop.time() + _SOON_SECONDS, self.deadline) if self.left else self.deadline
        self.timer = loop.call_at(soon, self._look, loop, exchange)
        try:
            return await exchange.outcome
        finally:
            self.timer.cancel()
            if self.watcher:
                self.watcher.cancel()
                self.watcher = None

    def _look(self, loop: asyncio.AbstractEventLoop, exchange: Exchange) -> None:
        if loop.time() >= self.deadline:
            exchange.fail(TimedOut("the request timeout passed", sent=True))
            return
        self.timer = loop.call_at(self.deadline, self._look, loop, exchange)
        if self.left and self.watcher is None:
            self.watcher = loop.create_task(self._watch(self.left, exchange))

    @staticmethod
    async def _watch(left: Callable[[], Awaitable[None]], exchange: Exchange) -> None:
        await left()
        exchange.fail(ClientLeft("the client has left", sent=True))


async def forward(backend: Backend, request: bytes, patience: Patience) -> Reply:
    """Score `request` on the deployment. Raises ClientLeft; every other failure is a reply."""
    if backend.pending >= backend.admitted:
        return refusal(
            429,
            "TooManyPendingRequests",
            f"The deployment has {backend.pending} requests pending, and admits no more: "
            "2 * max_concurrent_requests_per_instance * instances.",
            reason="too_many_pending_request",
        )
    backend.pending += 1
    try:
        return await _attempts(backend, request, patience)
    except TimedOut:
        return refusal(
            408,
            "RequestTimeout",
            f"The model did not answer within request_timeout_ms ({backend.limits.request_timeout_ms}).",
            reason="response_timeout",
        )
    except AnswerTooLarge:
        return refusal(
            424,
            "ResponsePayloadTooLarge",
            f"The container's answer is over {PAYLOAD_LIMIT} bytes.",
            reason="response_payload_too_large",
            model_status=200,
        )
    finally:
        backend.pending -= 1


async def _attempts(backend: Backend, request: bytes, patience: Patience) -> Reply:
    failed: Upstream | None = None
    repeated = False
    for _ in range(_UNREACHED_TRIES):
        upstream = backend.pick(failed) or await _wait(backend, patience)
        if upstream is None:
            return _broken("No instance of the deployment is up.", "model_not_ready")
        exchange = upstream.begin(request, PAYLOAD_LIMIT)
        try:
            answer = await patience.outcome(exchange)
        except (TimedOut, ClientLeft, AnswerTooLarge):
            raise
        except ExchangeFailed as error:
            if error.begun or (error.sent and repeated):
                return _broken(f"The container broke off: {error}.")
            repeated = repeated or error.sent
            failed = upstream
        else:
            return Reply.of(answer)
        finally:
            upstream.end(exchange)
    return _broken("The container cannot be reached.", "model_not_ready")


async def _wait(backend: Backend, patience: Patience) -> Upstream | None:
    loop = asyncio.get_running_loop()
    queue = backend.limits.max_queue_wait_ms / 1000
    upstream = await backend.wait(min(queue, patience.deadline - loop.time()))
    if upstream is None and loop.time() >= patience.deadline:
        raise TimedOut("the request timeout passed", sent=False)
    return upstream


def _broken(message: str, reason: str = "model_error") -> Reply:
    return refusal(424, "ModelError", message, reason=reason, model_status=503)


async def pause(seconds: float, patience: Patience) -> bool:
    """Sleep on behalf of a fault; False if the request's deadline came first."""
    left = patience.deadline - asyncio.get_running_loop().time()
    await asyncio.sleep(max(0.0, min(seconds, left)))
    return seconds < left
