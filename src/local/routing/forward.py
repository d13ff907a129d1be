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
from collections.abc import Callable

from local.routing.backend import Backend, Upstream
from local.routing.exchange import Answer, AnswerTooLarge, Exchange, ExchangeFailed
from local.routing.scoring_reply import PAYLOAD_LIMIT, ScoringReply, refusal

_UNREACHED_TRIES = 3


class Forwarding:
    """One request on its way: `done` is called once with its reply, at the request timeout at the latest.

    It is made of callbacks, not of a coroutine: each wait of a task costs a turn of the event loop, which is a
    third of what the router takes for a request.
    """

    __slots__ = (
        "_admitted",
        "_backend",
        "_done",
        "_exchange",
        "_failed",
        "_pause",
        "_queued",
        "_repeated",
        "_request",
        "_tries",
        "_upstream",
    )

    def __init__(self, backend: Backend, request: bytes, done: Callable[[ScoringReply], None]) -> None:
        self._backend = backend
        self._request = request
        self._done: Callable[[ScoringReply], None] | None = done
        self._pause: asyncio.TimerHandle | None = None
        self._queued: asyncio.TimerHandle | None = None
        self._upstream: Upstream | None = None
        self._exchange: Exchange | None = None
        self._failed: Upstream | None = None
        self._admitted = False
        self._repeated = False
        self._tries = 0

    def start(self, pause: float = 0.0, instead: ScoringReply | None = None) -> None:
        """Begin `pause` seconds from now, which count towards the timeout; send nothing when `instead` is the reply.

        `done` may be called before this returns.
        """
        deadlines = self._backend.deadlines
        deadlines.add(self._late)
        if not pause:
            self._begin(instead)
        elif pause < deadlines.seconds:
            self._pause = asyncio.get_running_loop().call_later(pause, self._begin, instead)
        # A longer one ends in `_late`.

    def cancel(self) -> None:
        """Give up: nobody waits for the reply. `done` is not called any more."""
        # It leads to the client, who may lead back here: without this, memory would wait for the cycle collector.
        self._done = None
        self._backend.deadlines.discard(self._late)
        if self._pause is not None:
            self._pause.cancel()
        if self._queued is not None:
            self._dequeue()
        if self._exchange is not None and self._upstream is not None:
            self._exchange.close()
            self._upstream.end(self._exchange)
            self._exchange = self._upstream = None
        if self._admitted:
            self._admitted = False
            self._backend.pending -= 1

    def _begin(self, instead: ScoringReply | None) -> None:
        backend = self._backend
        if instead is not None:
            self._end(instead)
        elif backend.pending >= backend.admitted:
            message = (
                f"The deployment has {backend.pending} requests pending, and admits no more: "
                "2 * max_concurrent_requests_per_instance * instances."
            )
            self._end(refusal(429, "TooManyPendingRequests", message, reason="too_many_pending_request"))
        else:
            backend.pending += 1
            self._admitted = True
            self._attempt()

    def _attempt(self) -> None:
        if self._tries == _UNREACHED_TRIES:
            self._end(_broken("The container cannot be reached.", "model_not_ready"))
            return
        self._tries += 1
        upstream = self._backend.pick(self._failed)
        if upstream is not None:
            self._send(upstream)
        else:
            self._backend.watch(self._woken)
            seconds = self._backend.limits.max_queue_wait_ms / 1000
            self._queued = asyncio.get_running_loop().call_later(seconds, self._gave_up)

    def _send(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._exchange = upstream.begin(self._request, PAYLOAD_LIMIT, self._on_outcome)
        self._exchange.start()

    def _on_outcome(self, outcome: Answer | ExchangeFailed) -> None:
        upstream, exchange = self._upstream, self._exchange
        assert upstream is not None
        assert exchange is not None
        self._upstream = self._exchange = None
        upstream.end(exchange)
        if isinstance(outcome, Answer):
            self._end(ScoringReply.of(outcome))
        elif isinstance(outcome, AnswerTooLarge):
            message = f"The container's answer is too large: {outcome}."
            self._end(
                refusal(424, "ResponsePayloadTooLarge", message, reason="response_payload_too_large", model_status=200)
            )
        elif outcome.begun or (outcome.sent and self._repeated):
            self._end(_broken(f"The container broke off: {outcome}."))
        else:
            self._repeated = self._repeated or outcome.sent
            self._failed = upstream
            self._attempt()

    def _woken(self) -> None:
        upstream = self._backend.pick(self._failed)
        if upstream is not None:
            self._dequeue()
            self._send(upstream)

    def _gave_up(self) -> None:
        self._end(_broken("No instance of the deployment is up.", "model_not_ready"))

    def _late(self) -> None:
        message = f"The model did not answer within request_timeout_ms ({self._backend.limits.request_timeout_ms})."
        self._end(refusal(408, "RequestTimeout", message, reason="response_timeout"))

    def _dequeue(self) -> None:
        assert self._queued is not None
        self._queued.cancel()
        self._queued = None
        self._backend.unwatch(self._woken)

    def _end(self, reply: ScoringReply) -> None:
        done = self._done
        self.cancel()
        if done is not None:
            done(reply)


def _broken(message: str, reason: str = "model_error") -> ScoringReply:
    return refusal(424, "ModelError", message, reason=reason, model_status=503)
