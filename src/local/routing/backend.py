"""The instances behind one deployment: who is up, who is busy, how many requests may be pending, and for how long."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from local.routing.deadlines import Deadlines
from local.routing.exchange import Address, Answer, Exchange, ExchangeFailed


@dataclass(frozen=True)
class Limits:
    """A deployment's request settings, by their names on Azure."""

    request_timeout_ms: int = 5000
    max_concurrent_requests_per_instance: int = 1
    max_queue_wait_ms: int = 500


class Upstream:
    """One instance as the router sees it."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.up = True
        self.exchanges: set[Exchange] = set()
        self._empty = asyncio.Event()

    def begin(self, request: bytes, limit: int, done: Callable[[Answer | ExchangeFailed], None]) -> Exchange:
        """Make an exchange, which its caller starts. `end` must follow."""
        exchange = Exchange(self.address, request, limit, done)
        self.exchanges.add(exchange)
        return exchange

    def end(self, exchange: Exchange) -> None:
        """Count out an exchange, which is finished or closed."""
        self.exchanges.discard(exchange)
        if not self.exchanges:
            self._empty.set()

    def mark_down(self) -> None:
        """Send no more requests here, and end those that are here: the process has gone."""
        self.up = False
        for exchange in tuple(self.exchanges):
            exchange.fail()

    async def drained(self) -> None:
        """Wait until no exchange is open."""
        while self.exchanges:
            self._empty.clear()
            await self._empty.wait()


class Backend:
    """A deployment's instances, its admission limit and its requests' time-outs.

    Azure admits `2 * max_concurrent_requests_per_instance * instances` requests and refuses the rest with
    429. An admitted request goes to the least busy instance at once and waits, if it must, in that instance's
    own socket backlog, so that the instance never idles for the length of a round trip between two requests.
    """

    def __init__(self, limits: Limits, upstreams: Iterable[Upstream], session: str = "") -> None:
        self.limits = limits
        self.upstreams = tuple(upstreams)
        self.session = session
        self.pending = 0
        self.deadlines = Deadlines(limits.request_timeout_ms / 1000)
        self.admitted = 2 * limits.max_concurrent_requests_per_instance * max(1, len(self.upstreams))
        self._successor: Backend | None = None
        self._turn = 0
        self._waiting: set[Callable[[], None]] = set()

    def pick(self, avoid: Upstream | None = None) -> Upstream | None:
        """Give the least busy instance that is up, in turn among equals; `avoid` if there is no other."""
        if self._successor is not None:
            return self._successor.pick(avoid)
        ready = [upstream for upstream in self.upstreams if upstream.up]
        if len(ready) > 1:
            if avoid in ready:
                ready.remove(avoid)
            self._turn += 1
            turn = self._turn % len(ready)
            return min(ready[turn:] + ready[:turn], key=lambda upstream: len(upstream.exchanges))
        return ready[0] if ready else None

    def watch(self, wake: Callable[[], None]) -> None:
        """Call `wake` whenever an instance may have come up."""
        if self._successor is not None:
            self._successor.watch(wake)
        else:
            self._waiting.add(wake)

    def unwatch(self, wake: Callable[[], None]) -> None:
        """Do not call `wake` any more."""
        self._waiting.discard(wake)
        if self._successor is not None:
            self._successor.unwatch(wake)

    def supersede(self, successor: Backend) -> None:
        """Let requests that wait here for an instance, or are tried again, go to the backend that replaces this one."""
        self._successor = successor
        for wake in self._waiting:
            successor.watch(wake)
        self._waiting.clear()
        successor.recheck()

    def recheck(self) -> None:
        """Wake the requests that wait for an instance: one has come up."""
        for wake in tuple(self._waiting):
            wake()
