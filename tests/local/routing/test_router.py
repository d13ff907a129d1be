"""The router over real sockets: who may call, where a request goes, and what of it comes back."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections import Counter

from upstreams import KEY, Client, Fake, backend, endpoint, front, ok, one, run, until, upstream

from local.routing.router import Router
from local.routing.routes import EndpointRoute


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
            first = got.headers["x-request-id"]
            assert str(uuid.UUID(first)) == first
            assert (await client.score()).headers["x-request-id"] != first

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
            counted = {statuses for _, _, cell in router.telemetry.cells("e") for statuses in cell.requests}
            assert counted == {(424, status) for status in statuses}

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
        refused = router.telemetry.totals("e")["green"]
        assert refused["requests"] == [{"statusCode": 429, "modelStatusCode": None, "count": 10}]

    run(scenario())


def test_as_many_copies_are_on_their_way_as_may_be_and_each_makes_room_for_another() -> None:
    """A mirror that hangs holds 64 copies at most; one that answers gets all of them, one after another."""

    async def scenario() -> None:
        live, shadow = Fake(), Fake(hold=asyncio.Event())
        async with upstream(live) as first, upstream(shadow) as second:
            router = Router(draw=lambda: 0.0)
            router.set_backend("e", "blue", backend(first))
            router.set_backend("e", "green", backend(second))
            router.set_endpoint(endpoint({"blue": 100}, {"green": 50}))
            async with front(router) as port:
                client = Client(port)
                for _ in range(70):
                    assert (await client.score()).status == 200
                await until(lambda: len(shadow.requests) == 64)
                assert shadow.hold is not None
                shadow.hold.set()
                await until(lambda: not router._mirrored)
                for sent in range(1, 71):
                    assert (await client.score()).status == 200
                    await until(lambda sent=sent: len(shadow.requests) == 64 + sent)  # type: ignore[misc]
                client.close()

    run(scenario())


def test_a_deployment_that_was_taken_away_gets_nothing_more() -> None:
    """Routed or pinned: 404, though the endpoint's traffic still names it."""

    async def scenario() -> None:
        fake = Fake()
        async with one(fake) as (router, client, _):
            assert (await client.score()).status == 200
            assert router.set_backend("e", "blue", None) is not None
            assert (await client.score()).status == 404
            assert (await client.score(azureml_model_deployment="blue")).status == 404
            assert len(fake.requests) == 1

    run(scenario())


def test_a_container_cannot_say_where_its_answer_comes_from() -> None:
    """The router's own headers stand once, whatever the container wrote; and it gets the request's id once."""

    async def scenario() -> None:
        claims = "azureml-model-deployment: green\r\nX-Request-Id: mine\r\nazureml-model-session: mine\r\n"
        fake = Fake(lambda body: ok(b"{}", extra=claims))
        async with one(fake) as (_, client, _):
            got = await client.score(x_request_id="theirs")
            assert got.headers["azureml-model-deployment"] == "blue"
            assert got.headers["azureml-model-session"] == "session-1"
            told = [line for line in fake.requests[0][0].lower().split(b"\r\n") if line.startswith(b"x-request-id: ")]
            assert told == [b"x-request-id: " + got.headers["x-request-id"].encode()]

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


def test_the_router_speaks_http_1_1_only() -> None:
    """An upgrade to another protocol is refused by name, and nothing reaches the model."""

    async def scenario() -> None:
        fake = Fake()
        async with one(fake) as (_, client, _):
            got = await client.score(connection="upgrade", upgrade="websocket")
            assert (got.status, got.code, got.headers["connection"]) == (400, "UpgradeRefused", "close")
            assert fake.requests == []

    run(scenario())
