"""Online endpoints: their names and their traffic."""

from __future__ import annotations

import secrets
from asyncio import to_thread

from local.errors import Invalid, NotFound
from local.routing import traffic as rules
from local.routing.router import Router
from local.routing.routes import EndpointRoute
from local.serving.tokens import Tokens
from local.storage.store import Document, Store
from local.wire import names
from local.wire.call import Call, Json, Reply, page, system_data
from local.wire.filters import Filter
from local.wire.guard import Guard
from local.wire.operations import Operations
from local.wire.place import Place

_MODES = {mode.lower(): mode for mode in ("Key", "AMLToken", "AADToken")}


class Endpoints:
    """The endpoints in the store, and their routes in the router."""

    def __init__(self, place: Place, store: Store, operations: Operations, router: Router, guard: Guard) -> None:
        self.place = place
        self.store = store
        self.operations = operations
        self.router = router
        self.tokens = Tokens(guard)

    def get(self, name: str) -> Document:
        document = self.store.get("endpoints", name)
        if document is None:
            raise NotFound("Endpoint", f"Online endpoint with name: {name} not found.")
        return document

    def resource(self, name: str) -> str:
        return f"onlineEndpoints/{name}"

    def deployments(self, name: str) -> list[Document]:
        return self.store.find("deployments", mark=name, newest_first=False)

    def put(self, name: str, body: Json) -> tuple[Document, str]:
        """Create or replace an endpoint. Returns it as the answer shows it, and the operation, which has ended by then.

        Both are written at once, so that nothing is under way that a full disk or a kill could keep from ending.
        """
        properties = {key: value for key, value in body["properties"].items() if value is not None}
        live, mirror = (properties.setdefault(key, {}) for key in ("traffic", "mirrorTraffic"))
        mode = _MODES.get(str(properties.get("authMode", "Key")).lower())
        if mode is None:
            raise Invalid(f"The authentication mode {properties['authMode']!r} is not key, aml_token or aad_token")
        properties["authMode"] = mode
        names.check_tags(f"Endpoint {name}", body.get("tags") or {})
        identity = body.get("identity") or {"type": "SystemAssigned"}
        if not identity.get("type"):
            raise Invalid("The identity of an endpoint needs a type, such as SystemAssigned.")
        with self.store.transaction():
            old = self.store.get("endpoints", name)
            if old is None:
                self._check_new(name, live, mirror)
                kept: Json = {"keys": [secrets.token_urlsafe(24), secrets.token_urlsafe(24)]}
            else:
                self.operations.check_idle(self.resource(name))
                if mode != old.body["properties"]["authMode"]:
                    raise Invalid("The authentication mode of an endpoint cannot be changed.")
                self._check_traffic(name, live, mirror)
                kept = {"keys": old.body["keys"]}
            operation = self.operations.begin(self.resource(name), "oe")
            document = self.store.put(
                "endpoints",
                name,
                kept
                | {
                    "properties": properties,
                    "tags": body.get("tags") or {},
                    "identity": identity,
                    "kind": body.get("kind") or "Managed",
                    "state": "Creating" if old is None else "Updating",
                    "operation": operation,
                },
            )
            self.change(name, state="Succeeded")
            self.operations.end(operation)
        return document, operation

    def change(self, name: str, **changes: object) -> Document:
        with self.store.transaction():
            return self.store.put("endpoints", name, self.get(name).body | changes)

    def drop_traffic(self, name: str, deployment: str) -> Document:
        """Take a deployment, which has none of it, out of the traffic."""
        with self.store.transaction():
            properties = dict(self.get(name).body["properties"])
            for key in ("traffic", "mirrorTraffic"):
                properties[key] = {one: share for one, share in properties[key].items() if one != deployment}
            return self.change(name, properties=properties)

    def route(self, name: str) -> None:
        """Make the router follow the endpoint as it is stored now. Call it in the event loop."""
        document = self.store.get("endpoints", name)
        if document is None or document.body["state"] == "Deleting":
            self.router.remove_endpoint(name)
            return
        properties = document.body["properties"]
        mode = properties["authMode"]
        self.router.set_endpoint(
            EndpointRoute(
                name=document.name,
                keys=tuple(document.body["keys"]) if mode == "Key" else (),
                traffic=properties["traffic"],
                mirror=properties["mirrorTraffic"],
                check=None if mode == "Key" else self.tokens.check(document.name, mode == "AADToken"),
            )
        )

    def token(self, document: Document) -> Json:
        """Return a scoring token, which only an endpoint without keys has."""
        if document.body["properties"]["authMode"] == "Key":
            raise Invalid(f"Endpoint {document.name} uses keys for authentication, not tokens.")
        return self.tokens.make(document.name)

    def render(self, document: Document) -> Json:
        body = document.body
        path = self.place.endpoint_id(document.name)
        url = f"{self.place.scoring}/{document.name}"
        base = {"description": None, "compute": None, "publicNetworkAccess": "Enabled"}
        own = {
            "azureml.onlineendpointid": path.lower(),
            "AzureAsyncOperationUri": self.operations.status_url(body["operation"]),
        }
        up = body["state"] != "Creating"
        return {
            "id": path,
            "name": document.name,
            "type": "Microsoft.MachineLearningServices/workspaces/onlineEndpoints",
            "properties": base
            | body["properties"]
            | {
                "properties": (body["properties"].get("properties") or {}) | own,
                "scoringUri": f"{url}/score" if up else None,
                "swaggerUri": f"{url}/swagger.json" if up else None,
                "provisioningState": body["state"],
            },
            "systemData": system_data(document),
            "tags": body["tags"],
            "location": self.place.location,
            "kind": body["kind"],
            "identity": body["identity"] | {"principalId": self.place.guid, "tenantId": self.place.subscription_id},
        }

    def _check_new(self, name: str, live: Json, mirror: Json) -> None:
        rules.check_name("endpoint", name)
        if any(live.values()) or any(mirror.values()):
            raise Invalid("Traffic cannot be set while an endpoint is created: it has no deployments yet.")
        # What is nothing must be the number 0, or no split is made of it.
        rules.check_traffic(live, mirror, live.keys() | mirror.keys())
        taken = [each for each in self.store.names("endpoints") if each.lower() == name.lower()]
        if taken:
            raise Invalid(f"There is already an endpoint with this name: '{taken[0]}', and case makes no difference.")

    def _check_traffic(self, name: str, live: Json, mirror: Json) -> None:
        found = {each.body["name"]: each for each in self.deployments(name)}
        rules.check_traffic(live, mirror, found.keys())
        for deployment, share in (*live.items(), *mirror.items()):
            if share and not found[deployment].body.get("serving"):
                state = found[deployment].body["state"]
                raise Invalid(f"Deployment '{deployment}' cannot have traffic: its provisioning state is {state}.")


def get_endpoint(endpoints: Endpoints, call: Call) -> Reply:
    return Reply(body=endpoints.render(endpoints.get(call["name"])))


def list_endpoints(endpoints: Endpoints, call: Call) -> Reply:
    def fetch(after: int | None, limit: int) -> list[Document]:
        return endpoints.store.find("endpoints", after=after, limit=limit)

    wanted = Filter(call, fields=("name",))
    return page(call, endpoints.place.control, wanted(fetch), endpoints.render)


async def put_endpoint(endpoints: Endpoints, call: Call) -> Reply:
    """Create or replace; the traffic is in effect before the answer is sent."""
    call.properties()
    document, operation = await to_thread(endpoints.put, call["name"], call.document())
    return _routed(endpoints, document, operation, 201)


async def patch_endpoint(endpoints: Endpoints, call: Call) -> Reply:
    def merged() -> tuple[Document, str]:
        with endpoints.store.transaction():
            old = endpoints.get(call["name"])
            given = {key: value for key, value in call.document().items() if key in ("tags", "identity")}
            return endpoints.put(old.name, old.body | given)

    document, operation = await to_thread(merged)
    return _routed(endpoints, document, operation, 200)


def _routed(endpoints: Endpoints, document: Document, operation: str, status: int) -> Reply:
    endpoints.route(document.name)
    return endpoints.operations.goes_on(operation, endpoints.render(document), status)
