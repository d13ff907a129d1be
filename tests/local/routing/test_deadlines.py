"""One timer for the time-outs of many requests."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st
from upstreams import run

from local.routing.deadlines import Deadlines

SECONDS = 0.02


@given(st.lists(st.tuples(st.floats(0, SECONDS / 4), st.booleans()), min_size=1, max_size=12))
def test_each_is_called_once_in_its_order_and_not_before_its_time(steps: list[tuple[float, bool]]) -> None:
    """Whatever was discarded is not called, and the last one ends all timers."""

    async def scenario() -> None:
        deadlines = Deadlines(SECONDS)
        called: list[tuple[int, float]] = []
        added: dict[int, float] = {}
        kept: list[int] = []

        def callback(number: int) -> Callable[[], None]:
            return lambda: called.append((number, time.monotonic()))

        for number, (pause, keep) in enumerate(steps):
            await asyncio.sleep(pause)
            late = callback(number)
            deadlines.add(late)
            added[number] = time.monotonic()
            if keep:
                kept.append(number)
            else:
                deadlines.discard(late)
        async with asyncio.timeout(10):
            while len(called) < len(kept):
                await asyncio.sleep(SECONDS / 4)
        # A timer that is still set finds nothing, and sets no other.
        async with asyncio.timeout(10):
            while deadlines._armed:
                await asyncio.sleep(SECONDS / 4)
        assert deadlines._due == {}
        assert [number for number, _ in called] == kept
        assert all(at >= added[number] + SECONDS - 0.001 for number, at in called)

    run(scenario())


def test_the_timer_that_is_set_next_is_the_next_ones() -> None:
    """What was added later is not called a whole time after the one before it, but a whole time after it was added."""

    async def scenario() -> None:
        deadlines = Deadlines(0.2)
        called: list[str] = []
        deadlines.add(lambda: called.append("first"))
        await asyncio.sleep(0.1)
        deadlines.add(lambda: called.append("second"))
        await asyncio.sleep(0.25)
        # However late this machine is: what is due has its turns first.
        for _ in range(3):
            await asyncio.sleep(0)
        assert called == ["first", "second"]

    run(scenario())


def test_one_that_raises_keeps_no_other_from_its_call() -> None:
    """Each is called by the event loop itself, which reports what it raises."""

    async def scenario() -> None:
        reported: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context["exception"]))
        deadlines = Deadlines(SECONDS)
        last = asyncio.Event()
        fault = ValueError("of the first")

        def first() -> None:
            raise fault

        deadlines.add(first)
        deadlines.add(last.set)
        async with asyncio.timeout(10):
            await last.wait()
        assert reported == [fault]

    run(scenario())


def test_what_is_late_may_add_and_discard() -> None:
    """One that is called may discard the next, and add one that is called in its turn."""

    async def scenario() -> None:
        deadlines = Deadlines(SECONDS)
        called: list[str] = []
        again = asyncio.Event()

        def second() -> None:
            called.append("second")

        def third() -> None:
            called.append("third")
            again.set()

        def first() -> None:
            called.append("first")
            deadlines.discard(second)
            deadlines.add(third)

        deadlines.add(first)
        deadlines.add(second)
        async with asyncio.timeout(10):
            await again.wait()
        assert called == ["first", "third"]

    run(scenario())
