"""What a deployment is to the serving plane."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from local.routing.backend import Limits


@dataclass(frozen=True)
class Probe:
    """When an instance counts as ready or as failed; times in seconds, defaults those of Azure.

    Locally the first probe is sent at once instead of after `initial_delay`, which only moves the deadline.
    """

    initial_delay: float = 10
    period: float = 10
    timeout: float = 2
    success_threshold: int = 1
    failure_threshold: int = 30

    @property
    def deadline(self) -> float:
        """Seconds from the start after which an instance that never passed has failed."""
        return self.initial_delay + self.period * self.failure_threshold


@dataclass(frozen=True)
class DeploymentSpec:
    """What to serve. `generation` changes with every update that needs new processes."""

    endpoint: str
    name: str
    generation: str
    model_dir: Path | None = None
    code_dir: Path | None = None
    entry_script: str | None = None
    environment_variables: Mapping[str, str] = field(default_factory=dict)
    instance_count: int = 1
    request_timeout_ms: int = 5000
    max_concurrent_requests_per_instance: int = 1
    max_queue_wait_ms: int = 500
    liveness: Probe = Probe()
    readiness: Probe = Probe()

    @property
    def probes(self) -> Mapping[str, Probe]:
        """Both by their names, in the order in which one is blamed when they end at the same time."""
        return {"readiness": self.readiness, "liveness": self.liveness}

    @property
    def limits(self) -> Limits:
        """The part that the router holds to."""
        return Limits(self.request_timeout_ms, self.max_concurrent_requests_per_instance, self.max_queue_wait_ms)
