"""Server-sent events: all that the page shows when something changes, and the live figures every second."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from asyncio import to_thread
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from local.studio import live_stats, views
from local.studio.live_stats import LiveStats

if TYPE_CHECKING:
    from local.control.state import State

_LOG = logging.getLogger("local")
BEAT_SECONDS = 1.0
MOST_LISTENERS = 20


def event(name: str, data: Any) -> bytes:
    """Return one event. JSON has no line break of its own, so it is one line whatever it says."""
    return f"event: {name}\ndata: {json.dumps(data, allow_nan=False)}\n\n".encode()


class Stream:
    """Looks at the workspace once a second, for as many listeners as there are."""

    def __init__(self, state: State) -> None:
        """Begin to look when `start` is called."""
        self._state = state
        self._stats = LiveStats(state.router.telemetry)
        self._queues: set[asyncio.Queue[bytes | None]] = set()
        self._changes = -1
        self._health: Any = None
        self._answers: Any = None
        self._task: asyncio.Task[None] | None = None

    @property
    def is_full(self) -> bool:
        return len(self._queues) >= MOST_LISTENERS

    def start(self) -> None:
        """Look from now on."""
        self._task = asyncio.get_running_loop().create_task(self._look())

    async def close(self) -> None:
        """Look no more, and let every listener go."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        for queue in self._queues:
            self._put(queue, None)

    async def events(self) -> AsyncIterator[bytes]:
        """Yield what there is now, then what comes, until the studio closes or the listener leaves."""
        queue: asyncio.Queue[bytes | None] = asyncio.Queue(100)
        self._queues.add(queue)
        try:
            yield event("all", await to_thread(views.everything, self._state))
            names = self._state.store.names("endpoints")
            yield event("past", {name: live_stats.history(self._stats, name) for name in names})
            yield event("health", views.health(self._state))
            yield event("answers", self._stats.answers(names))
            while (said := await queue.get()) is not None:
                yield said
        finally:
            self._queues.discard(queue)

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            try:
                await self._beat()
            except Exception:
                # One look that fails must not be the last: the page would go on saying that it is live.
                _LOG.exception("the studio could not look")

    async def _beat(self) -> None:
        at, samples = self._stats.sample()
        if not self._queues:
            return
        changes = self._state.store.changes()
        if changes != self._changes:
            self._tell(event("all", await to_thread(views.everything, self._state)))
            self._changes = changes
        found = views.health(self._state)
        if found != self._health:
            self._health = found
            self._tell(event("health", found))
        answers = self._stats.answers(list(found))
        if answers != self._answers:
            self._answers = answers
            self._tell(event("answers", answers))
        self._tell(event("beat", {name: live_stats.shown(at, samples, name) for name in found}))

    def _tell(self, said: bytes) -> None:
        for queue in tuple(self._queues):
            self._put(queue, said)

    def _put(self, queue: asyncio.Queue[bytes | None], said: bytes | None) -> None:
        """A listener that does not keep up is let go: its page asks again."""
        if queue.full():
            with contextlib.suppress(asyncio.QueueEmpty):
                while True:
                    queue.get_nowait()
            said = None
        queue.put_nowait(said)
