"""A request taken to a container and its answer brought back, whatever either does."""

from __future__ import annotations

import asyncio
import random
import resource
import socket
from collections import Counter

from upstreams import Client, Fake, backend, endpoint, front, ok, one, run, until, upstream

from local.routing.router import Router


def test_a_broken_answer_is_a_clean_failure() -> None:
    """An answer that is not HTTP, or stops half-way, is 424 and is never passed on in part."""

    async def scenario() -> None:
        answers = [
            b"not http at all\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
            b"HTTP/1.1 200 OK\r\nContent-Le",
        ]
        fake = Fake()
        async with one(fake) as (_, client, _):
            for said in answers:
                fake.answer = lambda _, said=said: said
                got = await client.score()
                assert got.status == 424
                assert got.headers["ms-azureml-model-error-statuscode"] == "503"
                assert b"half" not in got.body

    run(scenario())


def test_every_lawful_framing_is_read_whole() -> None:
    """Lengths, chunks, end of connection and interim answers all give the body, and nothing after it."""

    async def scenario() -> None:
        answers = [
            b"HTTP/1.1 200 OK\r\n\r\nwhole",
            b"HTTP/1.0 200 OK\r\nConnection: close\r\n\r\nwhole",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nwh\r\n3\r\nole\r\n0\r\n\r\n",
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwhole",
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwholeHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad",
        ]
        fake = Fake()
        async with one(fake) as (_, client, _):
            for said in answers:
                fake.answer = lambda _, said=said: said
                got = await client.score()
                assert (got.status, got.body) == (200, b"whole")

    run(scenario())


def test_a_request_that_broke_before_its_answer_is_tried_once_more() -> None:
    """A connection closed before the first byte is tried again, elsewhere if there is an elsewhere, and once only."""

    async def scenario() -> None:
        silent, sound = Fake(lambda _: None), Fake()
        async with upstream(silent) as first, upstream(sound) as second:
            router = Router()
            router.set_endpoint(endpoint({"blue": 100}))
            async with front(router) as port:
                client = Client(port)
                router.set_backend("e", "blue", backend(first, second))
                assert [(await client.score()).status for _ in range(10)] == [200] * 10
                assert len(sound.requests) == 10
                silent.requests.clear()
                router.set_backend("e", "blue", backend(first))
                assert (await client.score()).status == 424
                assert len(silent.requests) == 2
                client.close()

    run(scenario())


def test_no_answer_is_ever_mixed_with_another() -> None:
    """Under random breakage, time-outs and departures every 200 carries its own request's body, and nothing leaks."""

    async def scenario() -> None:
        chance = random.Random(20130101)

        async def wild(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
                body = await reader.readexactly(length)
                said = ok(body, chance.choice(["200 OK", "200 OK", "500 No"]))
                kind = chance.random()
                if kind < 0.2:
                    said = said[: chance.randrange(len(said))]
                elif kind < 0.3:
                    said = bytes(chance.randrange(256) for _ in range(40))
                elif kind < 0.4:
                    said += said
                cut = chance.randrange(len(said) + 1)
                writer.write(said[:cut])
                await writer.drain()
                await asyncio.sleep(chance.choice([0, 0, 0.002, 0.15]))
                writer.write(said[cut:])
                await writer.drain()
            except (ConnectionError, asyncio.IncompleteReadError):
                pass
            finally:
                writer.close()

        async def caller(number: int, port: int, seen: Counter[int]) -> None:
            client = Client(port)
            for turn in range(40):
                token = f'"{number}-{turn}-{"x" * chance.randrange(3000)}"'.encode()
                if chance.random() < 0.1:
                    await client.send(token)
                    client.close()
                    continue
                got = await client.score(token)
                seen[got.status] += 1
                assert got.status in (200, 408, 424)
                assert got.status != 200 or got.body == token
            client.close()

        async with one(wild, request_timeout_ms=100) as (_, client, behind):
            seen: Counter[int] = Counter()
            await asyncio.gather(*(caller(number, client.port, seen) for number in range(8)))
            assert {200, 408, 424} <= set(seen)
            await until(lambda: behind.pending == 0)
            assert behind.upstreams[0].exchanges == set()

    run(scenario())


def test_without_a_descriptor_left_it_fails_cleanly() -> None:
    """The container cannot be reached, and the client is told so at once; with one again the next request is served."""

    async def scenario() -> None:
        async with one(Fake()) as (_, client, behind):
            assert (await client.score()).status == 200
            soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            with socket.socket() as lowest_free:
                free = lowest_free.fileno()
            resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
            try:
                got = await client.score()
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            assert (got.status, got.headers["ms-azureml-model-error-reason"]) == (424, "model_not_ready")
            assert behind.pending == 0
            assert (await client.score()).status == 200

    run(scenario())
