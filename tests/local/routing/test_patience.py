"""How long, how many, how large: what the router waits for and what it refuses."""

from __future__ import annotations

import asyncio
import contextlib
import random
from pathlib import Path

import pytest
from upstreams import Client, Fake, backend, endpoint, front, ok, one, run, until, upstream

from local.routing.router import Router


def test_a_slow_model_is_408_and_the_connection_to_it_is_closed() -> None:
    """Over the request timeout the client gets 408; the next answer on the same client is its own."""

    async def scenario() -> None:
        hold = asyncio.Event()
        fake = Fake(hold=hold)
        async with one(fake, request_timeout_ms=150) as (_, client, behind):
            got = await client.score(b'"first"')
            assert (got.status, got.code) == (408, "RequestTimeout")
            assert behind.upstreams[0].exchanges == set()
            assert behind.pending == 0
            hold.set()
            assert (await client.score(b'"second"')).body == b'"second"'

    run(scenario())


def test_a_delay_counts_towards_the_request_timeout() -> None:
    """A request that is held back and then meets a slow model is 408, and nothing of it stays."""

    async def scenario() -> None:
        fake = Fake(hold=asyncio.Event())
        async with one(fake, request_timeout_ms=300) as (router, client, behind):
            router.set_fault("e", "blue", 1.0, delay_ms=100)
            assert (await client.score()).status == 408
            assert len(fake.requests) == 1
            assert behind.upstreams[0].exchanges == set()
            assert (behind.pending, behind.deadlines._due) == (0, {})

    run(scenario())


def test_a_client_that_leaves_during_a_delay_is_not_sent_for() -> None:
    """What was held back for it reaches no model any more."""

    async def scenario() -> None:
        fake = Fake()
        async with one(fake) as (router, client, behind):
            router.set_fault("e", "blue", 1.0, delay_ms=150)
            await client.send(b'"left"')
            await until(lambda: len(behind.deadlines._due) == 1)
            client.close()
            await until(lambda: not behind.deadlines._due)
            # Held back for as long, and later: when it is answered, the other's time has passed.
            assert (await client.score(b'"stays"')).status == 200
            assert [body for _, body in fake.requests] == [b'"stays"']

    run(scenario())


def test_over_the_admission_limit_is_429() -> None:
    """2 * max_concurrent_requests_per_instance * instances are admitted, the next is 429, and a free place is used."""

    async def scenario() -> None:
        fake = Fake(hold=asyncio.Event())
        async with one(fake, max_concurrent_requests_per_instance=2) as (_, client, behind):
            waiting = [Client(client.port) for _ in range(4)]
            for each in waiting:
                await each.send()
            await until(lambda: behind.pending == 4)
            got = await client.score()
            assert got.status == 429
            assert got.headers["ms-azureml-model-error-reason"] == "too_many_pending_request"
            assert fake.hold is not None
            fake.hold.set()
            assert [(await each.receive()).status for each in waiting] == [200] * 4
            assert (await client.score()).status == 200
            for each in waiting:
                each.close()

    run(scenario())


def test_a_client_that_leaves_frees_its_place() -> None:
    """A client that hangs up before the answer ends its exchange with the model."""

    async def scenario() -> None:
        fake = Fake(hold=asyncio.Event())
        async with one(fake) as (router, client, behind):
            await client.send()
            await fake.began.wait()
            client.close()
            await until(lambda: behind.pending == 0)
            assert behind.upstreams[0].exchanges == set()
            assert list(router.telemetry.cells()) == []

    run(scenario())


def test_bodies_up_to_the_limit_and_not_over() -> None:
    """1.5 MB pass both ways; one byte more is 413, announced or in chunks, and 424 as an answer."""

    async def scenario() -> None:
        limit = 1_572_864
        fake = Fake()
        async with one(fake) as (_, client, _):
            largest = b"x" * limit
            got = await client.score(largest)
            assert (got.status, got.body == largest) == (200, True)
            over = await client.score(b"", content_length=str(limit + 1))
            assert (over.status, over.headers["connection"]) == (413, "close")
            piece = b"%x\r\n%b\r\n" % (limit, largest)
            chunks = piece + b"1\r\nx\r\n0\r\n\r\n"
            chunked = await client.score(chunks, content_length="", transfer_encoding="chunked")
            assert chunked.status == 413
            fake.answer = lambda _: ok(b"y" * (limit + 1))
            swollen = await client.score()
            assert (swollen.status, swollen.code) == (424, "ResponsePayloadTooLarge")

    run(scenario())


@pytest.mark.parametrize(
    ("begun", "on"),
    [
        ("HTTP/1.1 200 OK\r\n", "X-More: and more\r\n"),
        ("", "HTTP/1.1 100 Continue\r\n\r\n"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", "X-Trailer: and more\r\n"),
    ],
    ids=["headers", "interim answers", "trailers"],
)
def test_an_answer_without_an_end_is_cut_off(begun: str, on: str) -> None:
    """What is no body is bounded too: it is no way to fill the workspace's memory until the request timeout."""

    async def scenario() -> None:
        written = 0

        async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal written
            await reader.readuntil(b"\r\n\r\n")
            writer.write(begun.encode())
            with contextlib.suppress(ConnectionError):
                while True:
                    piece = on.encode() * 1000
                    writer.write(piece)
                    written += len(piece)
                    await writer.drain()

        async with one(endless, request_timeout_ms=60_000) as (_, client, behind):
            got = await client.score()
            assert (got.status, got.code) == (424, "ResponsePayloadTooLarge")
            assert behind.pending == 0
            assert written < 40e6

    run(scenario())


def test_a_client_that_closes_its_side_has_left() -> None:
    """A half-closed connection cannot be told from a closed one: no answer, and nothing is done for it any more."""

    async def scenario() -> None:
        fake = Fake(hold=asyncio.Event())
        async with one(fake) as (_, client, behind):
            await client.send()
            await fake.began.wait()
            client.writer.write_eof()
            assert await client.reader.read() == b""
            await until(lambda: behind.pending == 0)

    run(scenario())


def test_a_request_waits_for_an_instance_no_longer_than_the_queue_wait() -> None:
    """With no instance up a request waits; it is served when one comes, and 424 model_not_ready when none does."""

    async def scenario() -> None:
        async with one(Fake(), max_queue_wait_ms=200) as (_, client, behind):
            (only,) = behind.upstreams
            only.up = False
            got = await client.score()
            assert (got.status, got.headers["ms-azureml-model-error-reason"]) == (424, "model_not_ready")
        async with one(Fake(), max_queue_wait_ms=4000) as (_, client, behind):
            (only,) = behind.upstreams
            only.up = False
            await client.send()
            await until(lambda: behind.pending == 1)
            only.up = True
            behind.recheck()
            assert (await client.receive()).status == 200

    run(scenario())


def test_the_request_timeout_ends_the_wait_for_an_instance() -> None:
    """It may be the shorter of the two: the client gets 408, and an instance that comes up later gets nothing."""

    async def scenario() -> None:
        fake = Fake()
        async with one(fake, max_queue_wait_ms=20_000, request_timeout_ms=100) as (_, client, behind):
            (only,) = behind.upstreams
            only.up = False
            assert (await client.score(b'"late"')).status == 408
            assert (behind.pending, behind._waiting) == (0, set())
            only.up = True
            behind.recheck()
            assert (await client.score(b'"next"')).status == 200
            assert [body for _, body in fake.requests] == [b'"next"']

    run(scenario())


def test_all_who_wait_for_an_instance_to_drain_are_told() -> None:
    """Two may wait; each goes on once no request is open."""

    async def scenario() -> None:
        fake = Fake(hold=asyncio.Event())
        async with one(fake) as (_, client, behind):
            (only,) = behind.upstreams
            await only.drained()
            await client.send()
            await fake.began.wait()
            waiting = [asyncio.create_task(only.drained()) for _ in range(2)]
            await asyncio.sleep(0)
            assert not any(task.done() for task in waiting)
            assert fake.hold is not None
            fake.hold.set()
            assert (await client.receive()).status == 200
            async with asyncio.timeout(10):
                await asyncio.gather(*waiting)

    run(scenario())


def test_a_request_that_an_instance_has_taken_up_waits_for_its_answer() -> None:
    """The wait for an instance is over then: what counts from there is the request timeout."""

    async def scenario() -> None:
        fake = Fake(hold=asyncio.Event())
        async with one(fake, max_queue_wait_ms=200) as (_, client, behind):
            (only,) = behind.upstreams
            only.up = False
            await client.send()
            await until(lambda: behind.pending == 1)
            only.up = True
            behind.recheck()
            await fake.began.wait()
            await asyncio.sleep(0.3)
            assert fake.hold is not None
            fake.hold.set()
            assert (await client.receive()).status == 200

    run(scenario())


def test_a_body_that_the_socket_takes_in_parts_arrives_as_it_was(tmp_path: Path) -> None:
    """The instance is slow to read, and the body larger than what the kernel keeps for it."""

    async def scenario() -> None:
        body, came = random.Random(1).randbytes(1_572_864), bytearray()

        async def late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            await asyncio.sleep(0.1)
            while len(came) < len(body):
                came.extend(await reader.read(10_000))
            writer.write(ok(b"{}"))
            writer.close()

        path = str(tmp_path / "late.sock")
        server = await asyncio.start_unix_server(late, path, limit=4096)
        router = Router()
        router.set_backend("e", "blue", backend(path))
        router.set_endpoint(endpoint({"blue": 100}))
        async with front(router) as port:
            client = Client(port)
            assert (await client.score(body)).status == 200
            client.close()
        server.close()
        assert came == body

    run(scenario())


def test_requests_go_to_the_least_busy_instance() -> None:
    """While one instance is held up, all requests go to the other."""

    async def scenario() -> None:
        held, free = Fake(hold=asyncio.Event()), Fake()
        async with upstream(held) as first, upstream(free) as second:
            router = Router()
            router.set_endpoint(endpoint({"blue": 100}))
            router.set_backend("e", "blue", backend(first, second))
            async with front(router) as port:
                stuck = [Client(port) for _ in range(2)]
                for each in stuck:
                    await each.send()
                await held.began.wait()
                client = Client(port)
                for _ in range(10):
                    assert (await client.score()).status == 200
                assert len(held.requests) == 1
                assert held.hold is not None
                held.hold.set()
                for each in (*stuck, client):
                    each.close()

    run(scenario())
