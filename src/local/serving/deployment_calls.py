"""The calls about deployments, and the one that ends an endpoint with all of them; the deployer does what they ask."""

from __future__ import annotations

from asyncio import to_thread

from local.errors import Invalid
from local.routing import traffic
from local.serving.deployer import Deployer
from local.serving.deployments import Deployments, resource
from local.serving.logs import INFERENCE_SERVER, STORAGE_INITIALIZER
from local.storage.store import Document
from local.wire.call import Call, Reply, page


def get_deployment(deployments: Deployments, call: Call) -> Reply:
    return Reply(body=deployments.render(deployments.get(call["endpoint"], call["name"])))


def list_deployments(deployments: Deployments, call: Call) -> Reply:
    deployments.endpoints.get(call["endpoint"])

    def fetch(after: int | None, limit: int) -> list[Document]:
        return deployments.store.find("deployments", mark=call["endpoint"], after=after, limit=limit)

    return page(call, deployments.place.control, fetch, deployments.render)


async def put_deployment(deployer: Deployer, call: Call) -> Reply:
    call.properties()
    put = await to_thread(deployer.deployments.put, call["endpoint"], call["name"], call.document())
    return _applied(deployer, *put, 201)


async def patch_deployment(deployer: Deployer, call: Call) -> Reply:
    """Change the tags or the number of instances."""
    given = call.document()

    def merged() -> tuple[Document, str]:
        with deployer.store.transaction():
            old = deployer.deployments.get(call["endpoint"], call["name"]).body
            changed = {key: old[key] | (given.get(key) or {}) for key in ("sku", "tags")}
            return deployer.deployments.put(call["endpoint"], call["name"], old | changed)

    return _applied(deployer, *await to_thread(merged), 200)


def _applied(deployer: Deployer, document: Document, operation: str, status: int) -> Reply:
    deployer.start(deployer.apply(document, operation))
    return deployer.operations.goes_on(operation, deployer.deployments.render(document), status)


async def delete_deployment(deployer: Deployer, call: Call) -> Reply:
    def begin() -> tuple[Document, str]:
        with deployer.store.transaction():
            document = deployer.deployments.get(call["endpoint"], call["name"])
            deployer.operations.check_idle(deployer.endpoints.resource(call["endpoint"]))
            properties = deployer.endpoints.get(call["endpoint"]).body["properties"]
            traffic.check_removal(call["name"], properties["traffic"], properties["mirrorTraffic"])
            operation = deployer.operations.begin(resource(call["endpoint"], call["name"]), "od", deletes=True)
            return deployer.deployments.change(document, state="Deleting", serving=None), operation

    document, operation = await to_thread(begin)
    deployer.start(deployer.remove(document, operation))
    return deployer.operations.accepted(operation)


async def delete_endpoint(deployer: Deployer, call: Call) -> Reply:
    def begin() -> str:
        endpoints = deployer.endpoints
        with endpoints.store.transaction():
            endpoints.get(call["name"])
            for each in endpoints.deployments(call["name"]):
                deployer.operations.check_idle(resource(call["name"], each.body["name"]))
            operation = deployer.operations.begin(endpoints.resource(call["name"]), "oe", deletes=True)
            endpoints.change(call["name"], state="Deleting")
            return operation

    operation = await to_thread(begin)
    deployer.start(deployer.remove_endpoint(call["name"], operation))
    return deployer.operations.accepted(operation)


def get_logs(deployer: Deployer, call: Call) -> Reply:
    document = deployer.deployments.get(call["endpoint"], call["name"])
    given = call.body if isinstance(call.body, dict) else {}
    wanted = given.get("containerType") or "InferenceServer"
    container = {"InferenceServer": INFERENCE_SERVER, "StorageInitializer": STORAGE_INITIALIZER}.get(wanted)
    if container is None:
        raise Invalid(f"There is no container {wanted!r}: it is InferenceServer or StorageInitializer.")
    tail = given.get("tail")
    if tail is not None and (isinstance(tail, bool) or not isinstance(tail, int) or tail < 0):
        raise Invalid("tail must be a whole number of lines")
    logs = deployer.supervisor.logs(document.body["endpoint"], document.body["name"], container, tail)
    return Reply(body={"content": logs})
