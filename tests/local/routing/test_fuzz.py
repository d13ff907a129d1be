"""Any bytes from a container and any bytes from a client: each answer is its own request's, or a clean failure."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from upstreams import KEY, Client, backend, endpoint, front, until, upstream

from local.routing.backend import Backend
from local.routing.router import Router

# Shown to no request twice, so that a stray one is known by sight.
TOKEN = re.compile(rb"<\d+>")


@dataclass
class Stage:
    """One router and one upstream for all examples of a test; `say` is how the upstream answers now."""

    runner: asyncio.Runner
    say: Callable[[asyncio.StreamWriter, bytes], Awaitable[None]] | None = None
    port: int = 0
    behind: Backend = field(default_factory=backend)
    number: int = 0

    def token(self) -> bytes:
        """Give the next token."""
        self.number += 1
        return b"<%d>" % self.number

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request as `say` does, and as a sound container does when there is none."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
            body = await reader.readexactly(length)
            if self.say is not None:
                await self.say(writer, body)
            else:
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def settled(self) -> None:
        """Check that nothing is left of earlier requests, and that the next one is answered as ever."""
        await until(lambda: self.behind.pending == 0, 20)
        assert all(not each.exchanges for each in self.behind.upstreams)
        self.say = None
        client, token = Client(self.port), self.token()
        got = await client.score(token)
        client.close()
        assert (got.status, got.body) == (200, token)


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """Keep one event loop with both servers through all examples."""
    with asyncio.Runner() as runner:
        made = Stage(runner)
        context = _opened(made)
        runner.run(anext(context))
        yield made
        runner.run(anext(context, None))


async def _opened(made: Stage) -> Any:
    async with upstream(made.serve) as address:
        router = Router()
        made.behind = backend(address, request_timeout_ms=2000)
        router.set_backend("e", "blue", made.behind)
        router.set_endpoint(endpoint({"blue": 100}))
        async with front(router) as made.port:
            yield


FRAGMENTS = st.sampled_from(
    [
        b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 500 No\r\n", b"HTTP/1.0 200 OK\r\n",
        b"Content-Length: 9\r\n", b"Content-Length: 0\r\n", b"Content-Length: 99999999999999999999\r\n",
        b"Transfer-Encoding: chunked\r\n", b"Connection: keep-alive\r\n", b"Upgrade: x\r\nConnection: upgrade\r\n",
        b"\r\n", b"0\r\n\r\n", b"5\r\nabcde\r\n", b"TOKEN", b"a" * 70_000, b"X: " + b"y" * 9000 + b"\r\n",
    ]
)  # fmt: skip
SAID = st.lists(FRAGMENTS | st.binary(max_size=30), max_size=8)
EXAMPLES = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@EXAMPLES
@given(pieces=SAID, break_off=st.booleans())
@example(pieces=[b"HTTP/1.1 200 OK\r\n", b"\r\n", b"TOKEN"], break_off=False)
@example(pieces=[b"HTTP/1.1 200 OK\r\n", b"Content-Length: 9\r\n", b"\r\n", b"TOKEN"], break_off=True)
def test_whatever_a_container_says_its_client_gets_one_lawful_answer(
    stage: Stage, pieces: list[bytes], break_off: bool
) -> None:
    """Random bytes, heads and chunks in pieces, cut or reset: 200, 408 or 424, with no other request's token in it."""

    async def say(writer: asyncio.StreamWriter, body: bytes) -> None:
        for piece in pieces:
            writer.write(piece.replace(b"TOKEN", body))
            await asyncio.sleep(0)
        if break_off:
            writer.transport.abort()

    async def play() -> None:
        stage.say = say
        client, token = Client(stage.port), stage.token()
        got = await client.score(token)
        assert got.status in (200, 408, 424)
        assert set(TOKEN.findall(got.body)) <= {token}
        stage.say = None
        follower = stage.token()
        assert (await client.score(follower)).body == follower, "the connection goes on with its own next answer"
        client.close()
        await stage.settled()

    stage.runner.run(play())


@EXAMPLES
@given(
    sizes=st.lists(st.integers(0, 40) | st.just(120_000), min_size=1, max_size=5),
    cuts=st.lists(st.integers(1, 2000), max_size=6),
    end=st.just(("stay", 0, b""))
    | st.tuples(st.sampled_from(["half-close", "abort"]), st.integers(0, 400), st.binary(max_size=20)),
)
def test_a_client_gets_its_own_answers_in_order_however_it_sends(
    stage: Stage, sizes: list[int], cuts: list[int], end: tuple[str, int, bytes]
) -> None:
    """Several requests at once, in pieces; the last one cut or followed by junk, then half-closed or reset."""
    leave, lost, junk = end

    async def play() -> None:
        tokens = [stage.token() for _ in sizes]
        whole = b"".join(
            b"POST /e/score HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %b\r\nContent-Length: %d\r\n\r\n%b"
            % (KEY.encode(), len(token) + size, token + b"." * size)
            for token, size in zip(tokens, sizes, strict=True)
        )
        sent = whole[: len(whole) - lost] + junk
        reader, writer = await asyncio.open_connection("127.0.0.1", stage.port)
        start = 0
        for cut in cuts:
            writer.write(sent[start : start + cut])
            await asyncio.sleep(0)
            start += cut
        writer.write(sent[start:])
        if leave == "half-close":
            writer.write_eof()
        elif leave == "abort":
            writer.transport.abort()
        got: list[bytes] = []
        try:
            async with asyncio.timeout(20):
                while leave != "stay" or len(got) < len(tokens):
                    head = await reader.readuntil(b"\r\n\r\n")
                    length = int(re.findall(rb"content-length: (\d+)", head.lower())[0])
                    body = await reader.readexactly(length)
                    if head.startswith(b"HTTP/1.1 200"):
                        got += TOKEN.findall(body)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        assert got == tokens[: len(got)], "in order, each once, none of another connection"
        if leave == "stay":
            assert len(got) == len(tokens), "all that was sent whole is answered"
        writer.close()
        await stage.settled()

    stage.runner.run(play())
