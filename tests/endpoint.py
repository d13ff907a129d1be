"""A client of one endpoint, without a workspace: as much of the SDK's as the rules of traffic and of a rollout use."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field


@dataclass
class Resource:
    """As much of an endpoint or a deployment as those rules look at."""

    traffic: dict[str, int] = field(default_factory=dict)
    tags: dict[str, str] | None = field(default_factory=dict)
    mirror_traffic: dict[str, int] = field(default_factory=dict)
    name: str = "flights"
    provisioning_state: str = "Succeeded"
    model: str = ""


class Client:
    """Reads and writes by copy, as over a wire; `puts` are the endpoints that were written."""

    def __init__(self, endpoint: Resource, *deployments: Resource) -> None:
        self.endpoint, self.deployments = endpoint, deployments
        self.puts: list[Resource] = []
        self.online_endpoints = self.online_deployments = self

    def get(self, name: str) -> Resource:
        found = deepcopy(self.endpoint)
        self.done("get")
        return found

    def list(self, endpoint: str) -> tuple[Resource, ...]:
        return deepcopy(self.deployments)

    def begin_create_or_update(self, given: Resource) -> Client:
        self.endpoint = deepcopy(given)
        self.puts.append(given)
        self.done("put")
        return self

    def result(self, timeout: float) -> None:
        """The operation has ended."""

    def done(self, verb: str) -> None:
        """A read ("get") or a write ("put") of the endpoint is over: here others may come in between."""
