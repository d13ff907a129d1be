"""The router over real sockets, before upstreams that behave as told."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import uvicorn

from local.routing.backend import Backend, Limits, Upstream
from local.routing.exchange import Address
from local.routing.router import EndpointRoute, Router

KEY = "a-key-of-the-test"
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Got:
    """An answer as a client sees it."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """The error's code."""
        return str(json.loads(self.body)["error"]["code"])


def ok(body: bytes, status: str = "200 OK", extra: str = "") -> bytes:
    """Spell an answer with a body."""
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{extra}\r\n".encode() + body


@dataclass
class Fake:
    """An upstream: what it was asked, and how it answers (`answer` gives the raw bytes)."""

    answer: Callable[[bytes], bytes | None] = ok
    requests: list[tuple[bytes, bytes]] = field(default_factory=list)
    hold: asyncio.Event | None = None
    began: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
            body = await reader.readexactly(length)
            self.requests.append((head, body))
            self.began.set()
            if self.hold is not None:
                await self.hold.wait()
            said = self.answer(body)
            if said is not None:
                writer.write(said)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def upstream(serve: Serve) -> AsyncIterator[Address]:
    """Run an upstream on a free port."""
    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=4_000_000)
    try:
        host, port = server.sockets[0].getsockname()
        yield host, port
    finally:
        server.close()


@asynccontextmanager
async def front(router: Router) -> AsyncIterator[int]:
    """Serve a router, give its port, and stop it."""
    config = uvicorn.Config(router, port=0, log_level="critical", access_log=False, lifespan="off")
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    try:
        await until(lambda: server.started)
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await task
        await router.close()


async def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    """Wait for a condition, and fail if it does not come."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)


class Client:
    """A keep-alive client that speaks HTTP byte by byte, so that it sees what is really sent."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.reader: asyncio.StreamReader | None = None
        self.writer: asyncio.StreamWriter | None = None

    async def send(self, body: bytes = b"{}", path: str = "/e/score", method: str = "POST", **headers: str) -> None:
        """Send a request; header names have _ for -. A header given as "" is left out."""
        if self.writer is None:
            self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        named = {"authorization": f"Bearer {KEY}", "content-length": str(len(body))}
        named |= {name.replace("_", "-"): value for name, value in headers.items()}
        lines = "".join(f"{name}: {value}\r\n" for name, value in named.items() if value)
        self.writer.write(f"{method} {path} HTTP/1.1\r\nHost: x\r\n{lines}\r\n".encode() + body)
        await self.writer.drain()

    async def receive(self) -> Got:
        """Read one answer."""
        assert self.reader is not None
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.strip().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        body = await self.reader.readexactly(int(headers["content-length"]))
        if headers.get("connection") == "close":
            self.close()
        return Got(int(first.split()[1]), headers, body)

    async def score(self, body: bytes = b"{}", **how: str) -> Got:
        """Send a request and read its answer."""
        async with asyncio.timeout(20):
            await self.send(body, **how)
            return await self.receive()

    def close(self) -> None:
        """Hang up."""
        if self.writer is not None:
            self.writer.close()
        self.reader = self.writer = None


def endpoint(traffic: Mapping[str, int], mirror: Mapping[str, int] | None = None) -> EndpointRoute:
    """Make the route of endpoint `e`."""
    return EndpointRoute("e", keys=(KEY, "second"), traffic=traffic, mirror=mirror or {})


def backend(*addresses: Address, **limits: int) -> Backend:
    """Make a backend that admits enough for most tests."""
    settings: dict[str, int] = {"max_concurrent_requests_per_instance": 64} | limits
    return Backend(Limits(**settings), [Upstream(address) for address in addresses], "session-1")


def run(scenario: Coroutine[Any, Any, None]) -> None:
    """Run a scenario; it must end within a minute."""
    asyncio.run(asyncio.wait_for(scenario, 60))


@asynccontextmanager
async def one(fake: Serve, draw: Callable[[], float] | None = None, **limits: int) -> AsyncIterator[Any]:
    """Put `fake` behind deployment blue with all traffic; give router, client and backend."""
    async with upstream(fake) as address:
        router = Router(draw=draw)
        behind = backend(address, **limits)
        router.set_backend("e", "blue", behind)
        router.set_endpoint(endpoint({"blue": 100}))
        async with front(router) as port:
            client = Client(port)
            yield router, client, behind
            client.close()


def test_an_answer_comes_with_its_origin() -> None:
    """row_18: a 200 passes through, with the deployment, session and request ids in its headers."""

    async def scenario() -> None:
        async with one(Fake(lambda body: ok(b'{"a":1}', extra="Content-Type: application/json\r\n"))) as (
            _,
            client,
            _,
        ):
            got = await client.score(x_ms_client_request_id="my-id_7")
            assert (got.status, got.body) == (200, b'{"a":1}')
            assert got.headers["content-type"] == "application/json"
            assert got.headers["azureml-model-deployment"] == "blue"
            assert got.headers["azureml-model-session"] == "session-1"
            assert got.headers["x-ms-client-request-id"] == "my-id_7"
            assert got.headers["x-ms-request-id"] == "my-id_7"
            assert len(got.headers["x-request-id"]) == 36

    run(scenario())


def test_an_unlawful_client_request_id_goes_nowhere() -> None:
    """A client request id that is too long or has other characters is neither echoed nor passed on."""

    async def scenario() -> None:
        fake = Fake()
        async with one(fake) as (_, client, _):
            for wrong in ("a" * 41, "a b", "a;b", "é"):
                got = await client.score(x_ms_client_request_id=wrong)
                assert "x-ms-client-request-id" not in got.headers, wrong
                assert b"x-ms-client-request-id" not in fake.requests[-1][0].lower(), wrong

    run(scenario())


def test_without_a_key_nothing_reaches_the_model() -> None:
    """A missing, malformed or wrong key is 401, and the model is not asked."""

    async def scenario() -> None:
        fake = Fake()
        async with one(fake) as (_, client, _):
            for given in ("", "Bearer", "Bearer ", f"Basic {KEY}", "Bearer wrong", f"Bearer {KEY}x"):
                got = await client.score(authorization=given)
                assert got.status == 401, given
                assert "azureml-model-deployment" not in got.headers
            assert fake.requests == []

    run(scenario())


def test_either_key_opens_and_neither_reaches_the_model() -> None:
    """Both keys are good; the container never sees the caller's Authorization header."""

    async def scenario() -> None:
        fake = Fake()
        async with one(fake) as (router, client, _):
            assert (await client.score(authorization="bearer second")).status == 200
            assert b"authorization" not in fake.requests[0][0].lower()
            router.set_endpoint(EndpointRoute("e", keys=("new",), traffic={"blue": 100}))
            assert (await client.score()).status == 401
            assert (await client.score(authorization="Bearer new")).status == 200

    run(scenario())


def test_a_token_is_judged_by_the_endpoints_check() -> None:
    """With a check, a token that is no key is taken if the check says so."""

    async def scenario() -> None:
        async with one(Fake()) as (router, client, _):
            router.set_endpoint(
                EndpointRoute("e", "aml_token", traffic={"blue": 100}, check=lambda token: token == "t1")
            )
            assert (await client.score(authorization="Bearer t1")).status == 200
            assert (await client.score(authorization="Bearer t2")).status == 401

    run(scenario())


def test_what_is_not_there_is_404() -> None:
    """Unknown endpoint, unknown address, unknown pin and no traffic are 404."""

    async def scenario() -> None:
        async with one(Fake()) as (router, client, _):
            assert (await client.score(path="/other/score")).code == "EndpointNotFound"
            assert (await client.score(path="/e/other")).status == 404
            assert (await client.score(path="/")).status == 404
            pinned = await client.score(azureml_model_deployment="green")
            assert (pinned.status, pinned.code) == (404, "DeploymentNotFound")
            router.set_endpoint(endpoint({"blue": 0}))
            nowhere = await client.score()
            assert nowhere.status == 404
            assert b"no valid deployment with positive weight" in nowhere.body
            assert (await client.score(azureml_model_deployment="blue")).status == 200

    run(scenario())


def test_row_21_the_split_is_the_one_that_is_set() -> None:
    """row_21, row_23: of evenly spread draws, exactly the set percentage goes to green, and a change holds at once."""

    async def scenario() -> None:
        draws = [(place + 0.5) / 100 for place in range(100)]
        random.Random(1).shuffle(draws)
        stream = iter(draws * 2)
        async with upstream(Fake()) as first, upstream(Fake()) as second:
            router = Router(draw=lambda: next(stream))
            router.set_backend("e", "blue", backend(first))
            router.set_backend("e", "green", backend(second))
            async with front(router) as port:
                client = Client(port)
                for percent in (10, 25):
                    router.set_endpoint(endpoint({"blue": 100 - percent, "green": percent}))
                    seen = Counter([(await client.score()).headers["azureml-model-deployment"] for _ in range(100)])
                    assert seen == {"blue": 100 - percent, "green": percent}
                client.close()

    run(scenario())


def test_row_24_all_traffic_is_back_between_two_requests() -> None:
    """row_24: after the traffic is set back, not one further request goes to green."""

    async def scenario() -> None:
        async with upstream(Fake()) as first, upstream(Fake()) as second:
            router = Router()
            router.set_backend("e", "blue", backend(first))
            router.set_backend("e", "green", backend(second))
            router.set_endpoint(endpoint({"green": 100}))
            async with front(router) as port:
                client = Client(port)
                for _ in range(20):
                    router.set_endpoint(endpoint({"green": 100}))
                    assert (await client.score()).headers["azureml-model-deployment"] == "green"
                    router.set_endpoint(endpoint({"blue": 100, "green": 0}))
                    assert (await client.score()).headers["azureml-model-deployment"] == "blue"
                client.close()

    run(scenario())


def test_any_other_status_of_the_container_is_424() -> None:
    """All that is not 200 is 424 with the container's status and body: the model's own 4xx too."""

    async def scenario() -> None:
        fake = Fake()
        statuses = [201, 302, 400, 404, 429, 500, 503]
        async with one(fake) as (router, client, _):
            for status in statuses:
                said = ok(b'{"message":"no"}', f"{status} Whatever", "x-ms-run-function-failed: True\r\n")
                fake.answer = lambda _, said=said: said
                got = await client.score()
                assert (got.status, got.body) == (424, b'{"message":"no"}')
                assert got.headers["ms-azureml-model-error-statuscode"] == str(status)
                assert got.headers["ms-azureml-model-error-reason"] == "model_error"
                assert got.headers["x-ms-run-function-failed"] == "True"
            counts = [count for cell in router.telemetry.snapshot("e") for count in cell["requests"]]
            assert {(count["statusCode"], count["modelStatusCode"]) for count in counts} == {
                (424, status) for status in statuses
            }

    run(scenario())


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
            assert router.telemetry.snapshot() == []

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


def test_mirrored_copies_do_not_touch_the_client() -> None:
    """A share of unpinned requests is copied; a mirror that hangs or fails slows and changes no answer."""

    async def scenario() -> None:
        live, shadow = Fake(), Fake(hold=asyncio.Event())
        async with upstream(live) as first, upstream(shadow) as second:
            router = Router(draw=lambda: 0.3)
            router.set_backend("e", "blue", backend(first))
            router.set_backend("e", "green", backend(second, max_concurrent_requests_per_instance=5))
            router.set_endpoint(endpoint({"blue": 100}, {"green": 31}))
            async with front(router) as port:
                client = Client(port)
                for _ in range(20):
                    got = await client.score(b'{"n":1}')
                    assert (got.status, got.headers["azureml-model-deployment"]) == (200, "blue")
                await until(lambda: len(shadow.requests) == 10)
                assert shadow.requests[0][1] == b'{"n":1}'
                await client.score(azureml_model_deployment="blue")
                router.set_endpoint(endpoint({"blue": 100}, {"green": 29}))
                await client.score()
                assert len(shadow.requests) == 10, "neither pinned calls nor those outside the share are copied"
                client.close()
        refused = [cell for cell in router.telemetry.snapshot("e") if cell["deployment"] == "green"]
        assert refused[0]["requests"] == [{"statusCode": 429, "modelStatusCode": None, "count": 10}]

    run(scenario())


def test_faults_hit_the_share_they_are_set_for() -> None:
    """A set fault fails, delays past the timeout, or spares a deployment's requests, until it is cleared."""

    async def scenario() -> None:
        draws = iter([])
        async with one(Fake(), draw=lambda: next(draws, 0.5), request_timeout_ms=200) as (router, client, _):
            router.set_fault("e", "blue", 0.6, status=500)
            got = await client.score()
            assert (got.status, got.headers["ms-azureml-model-error-statuscode"]) == (424, "500")
            router.set_fault("e", "blue", 0.4, status=500)
            assert (await client.score()).status == 200
            router.set_fault("e", "blue", 1.0, delay_ms=10_000)
            assert (await client.score()).status == 408
            router.clear_faults()
            assert (await client.score()).status == 200

    run(scenario())


def test_liveness_and_swagger_are_passed_on() -> None:
    """GET of an endpoint's root and of its swagger (with its query) reach the container; other methods do not."""

    async def scenario() -> None:
        fake = Fake()
        async with one(fake) as (_, client, _):
            assert (await client.score(path="/e/", method="GET")).status == 200
            assert (await client.score(path="/e/swagger.json?version=3", method="GET")).status == 200
            assert [head.split(b"\r\n")[0] for head, _ in fake.requests] == [
                b"GET / HTTP/1.1",
                b"GET /swagger.json?version=3 HTTP/1.1",
            ]
            got = await client.score(method="PUT")
            assert (got.status, got.headers["allow"]) == (405, "POST, GET")

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


def test_the_router_speaks_http_only() -> None:
    """Another protocol than HTTP is refused by name."""

    async def scenario() -> None:
        async def nothing() -> dict[str, Any]:
            return {}

        async def nowhere(_: Any) -> None:
            return None

        with pytest.raises(RuntimeError, match="not websocket"):
            await Router()({"type": "websocket"}, nothing, nowhere)

    run(scenario())
