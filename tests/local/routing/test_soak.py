"""A crowd before one router: everybody gets the answer to what they asked, and nothing is left of them.

`SOAK=200000 pytest --timeout 3600 -s tests/local/routing/test_soak.py` looks at so many answers.
"""

from __future__ import annotations

import asyncio
import gc
import os
import random
from collections import Counter
from dataclasses import dataclass, field

import psutil
from upstreams import KEY, Client, backend, endpoint, front, ok, until, upstream

from local.routing.backend import Backend
from local.routing.client_connection import ClientConnection
from local.routing.exchange import Exchange
from local.routing.forward import Forwarding
from local.routing.router import Router

ANSWERS = int(os.environ.get("SOAK", "1000"))
STEADY, HASTY, FICKLE = 16, 4, 6
# What a request asks of its container, by its first letter, and what its client must then be told.
TOLD = {
    b"g": 200,  # a good answer
    b"c": 200,  # the same in chunks
    b"l": 200,  # a large one
    b"o": 200,  # nothing at first, then a good one
    b"d": 424,  # never anything
    b"h": 424,  # half of an answer
    b"e": 424,  # an error of its own
    b"w": 408,  # an answer that never comes
}
LARGE = 600_000


@dataclass
class Crowd:
    """The containers' behaviour, the clients' numbers, and what all of them saw."""

    chance: random.Random = field(default_factory=lambda: random.Random(7))
    number: int = 0
    refused_once: set[bytes] = field(default_factory=set)
    seen: Counter[tuple[bytes, int]] = field(default_factory=Counter)
    left: int = 0

    def body(self, kind: bytes) -> bytes:
        """Spell a request that none was like before."""
        self.number += 1
        size = self.chance.choice((0, 10, 2_000, LARGE if kind == b"l" else 80_000))
        return b"%b%d " % (kind, self.number) + b"." * size

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Do with one request as it asks."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
            body = await reader.readexactly(length)
            await self._answer(body, writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _answer(self, body: bytes, writer: asyncio.StreamWriter) -> None:
        kind = body[:1]
        token = body.partition(b" ")[0]
        if kind == b"w":
            await asyncio.sleep(1)
        elif kind == b"d" or (kind == b"o" and token not in self.refused_once):
            self.refused_once.add(token)
            writer.transport.abort()
        elif kind == b"h":
            whole = ok(body)
            writer.write(whole[: len(whole) - 1 - self.chance.randrange(len(body))])
            await writer.drain()
            writer.transport.abort()
        elif kind == b"e":
            writer.write(ok(body, "500 Internal Server Error"))
        elif kind == b"c":
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            for start in range(0, len(body), 30_000):
                piece = body[start : start + 30_000]
                writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                await asyncio.sleep(0)
            writer.write(b"0\r\n\r\n")
        else:
            writer.write(ok(body))

    async def steady(self, port: int, over: asyncio.Event) -> None:
        """Ask one thing after the other, mostly over one connection, and look at every answer."""
        client = Client(port)
        while not over.is_set():
            kind = self.chance.choice(list(TOLD))
            body = self.body(kind)
            got = await client.score(body, azureml_model_deployment="slow" if kind == b"w" else "")
            assert got.status == TOLD[kind], (kind, got.status, got.body[:300])
            # The container's own words reach the client whatever their status.
            assert got.body == body if got.status == 200 or kind == b"e" else b"error" in got.body
            assert got.headers["azureml-model-deployment"] in (("slow",) if kind == b"w" else ("blue", "green"))
            self.seen[kind, got.status] += 1
            if self.chance.random() < 0.05:
                client.close()
        client.close()

    async def hasty(self, port: int, over: asyncio.Event) -> None:
        """Ask several things before the first is answered; they must come in order."""
        while not over.is_set():
            client = Client(port)
            bodies = [self.body(self.chance.choice((b"g", b"c", b"o"))) for _ in range(4)]
            for body in bodies:
                await client.send(body)
            async with asyncio.timeout(30):
                assert [(await client.receive()).body for _ in bodies] == bodies
            client.close()

    async def fickle(self, port: int, over: asyncio.Event) -> None:
        """Leave in the midst of the request or of the answer, politely or not."""
        while not over.is_set():
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            body = self.body(self.chance.choice((b"g", b"c", b"l", b"h", b"o")))
            head = b"POST /e/score HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %b\r\nContent-Length: %d\r\n\r\n"
            whole = head % (KEY.encode(), len(body)) + body
            writer.write(whole[: self.chance.choice((5, len(whole) // 2, len(whole) - 1, len(whole)))])
            await asyncio.sleep(self.chance.random() / 50)
            if self.chance.random() < 0.5 and writer.transport.get_write_buffer_size() == 0:
                try:
                    async with asyncio.timeout(0.02):
                        await reader.read(self.chance.choice((1, 500, 100_000)))
                except (TimeoutError, ConnectionError):
                    pass
            if self.chance.random() < 0.5:
                writer.transport.abort()
            else:
                writer.close()
            self.left += 1

    async def operate(self, router: Router, addresses: list[str], over: asyncio.Event) -> list[Backend]:
        """Shift, mirror and redeploy all the while, as the workspace does; return every backend that there was."""
        made: list[Backend] = []
        while not over.is_set():
            slot = self.chance.choice(("blue", "green"))
            fresh = backend(*self.chance.sample(addresses, self.chance.choice((1, 2))), request_timeout_ms=60_000)
            made.append(fresh)
            before = router.set_backend("e", slot, fresh)
            if before is not None:
                before.supersede(fresh)
            share = self.chance.choice((0, 10, 50, 100))
            mirror = {"green": 30} if share == 0 else {}
            router.set_endpoint(endpoint({"green": share, "blue": 100 - share}, mirror))
            await asyncio.sleep(0.05)
        return made


def things() -> int:
    """Count the connections and requests of the router's that are still held in memory."""
    # By type: some objects of other libraries answer isinstance with an import.
    return sum(type(each) in (ClientConnection, Exchange, Forwarding) for each in gc.get_objects())


def test_a_crowd_is_served_and_leaves_nothing_behind() -> None:
    """No answer is another's, none is of a wrong status, and in the end no file, connection or request is held."""
    crowd = Crowd()

    async def scenario() -> None:
        async with upstream(crowd.serve) as one, upstream(crowd.serve) as other:
            router, over = Router(), asyncio.Event()
            slow = backend(one, request_timeout_ms=100)
            firsts = {slot: backend(one, request_timeout_ms=60_000) for slot in ("blue", "green")}
            for slot, first in firsts.items():
                router.set_backend("e", slot, first)
            router.set_backend("e", "slow", slow)
            router.set_endpoint(endpoint({"blue": 100}))
            async with front(router) as port:
                files = psutil.Process().num_fds()
                async with asyncio.TaskGroup() as group:
                    operator = group.create_task(crowd.operate(router, [one, other], over))
                    for count, client in ((STEADY, crowd.steady), (HASTY, crowd.hasty), (FICKLE, crowd.fickle)):
                        for _ in range(count):
                            group.create_task(client(port, over))
                    await until(lambda: crowd.seen.total() >= ANSWERS, 3600)
                    over.set()
                behind = [slow, *firsts.values(), *operator.result()]
                await until(lambda: not any(each.pending for each in behind), 30)
                assert not any(instance.exchanges for each in behind for instance in each.upstreams)
                # Not collected first: what ends should go at once, not when the collector comes.
                await until(lambda: psutil.Process().num_fds() <= files and things() <= alive, 30)

    gc.collect()
    alive = things()
    asyncio.run(scenario())
    print(f"{crowd.seen.total():,} answers looked at, {crowd.left:,} clients left early")
    assert {kind for kind, _ in crowd.seen} == set(TOLD)
    assert crowd.left
