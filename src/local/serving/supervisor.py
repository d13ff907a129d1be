"""The supervisor of deployments: starts instances, hands them to the router, drains and stops them.

An update of a live deployment starts its new instances beside the old ones, switches the router over when all
are ready, and stops the old ones when their last request has been answered. A change of scale keeps the
instances that remain, but for those that were given up. If the new instances fail, nothing has changed for callers.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from local.routing.backend import Backend, Upstream
from local.routing.router import Router
from local.routing.traffic import check_name
from local.serving import containers
from local.serving.containers import Containers
from local.serving.instance import DeploymentFailed, Instance
from local.serving.logs import DeploymentLogs
from local.serving.spec import DeploymentSpec

_DRAIN_MARGIN_SECONDS = 5.0
_LOG_CHECK_SECONDS = 5.0
# The imports of a spare should not take the processor from a deployment that has just begun to serve.
_SPARE_DELAY_SECONDS = 2.0

Key = tuple[str, str]


@dataclass
class _Running:
    spec: DeploymentSpec
    instances: list[Instance]
    backend: Backend


class Supervisor:
    """All deployments of a workspace. Its folder is its own; one supervisor at a time may have it."""

    def __init__(self, folder: Path, router: Router, python: str) -> None:
        """`python` is the interpreter that runs the inference servers."""
        self._folder = folder
        self._router = router
        self._containers = Containers(folder, python)
        self._running: dict[Key, _Running] = {}
        self._locks: dict[Key, asyncio.Lock] = {}
        self._logs = DeploymentLogs(folder / "logs")
        self._starting: set[Instance] = set()
        self._closed = False
        self._count = 0
        self._housekeeper: asyncio.Task[None] | None = None

    async def apply(self, spec: DeploymentSpec) -> None:
        """Bring a deployment to `spec`; return when the router uses it and what it replaced has been stopped.

        Raises DeploymentFailed if the new instances do not become ready; the old ones then serve as before.
        """
        check_name("endpoint", spec.endpoint)
        check_name("deployment", spec.name)
        key = spec.endpoint, spec.name
        if self._closed:
            raise DeploymentFailed("The workspace is stopping.")
        if self._housekeeper is None:
            self._housekeeper = asyncio.get_running_loop().create_task(self._keep_logs_small())
        async with self._locks.setdefault(key, asyncio.Lock()):
            before = self._running.get(key)
            kept: list[Instance] = []
            if before is not None and before.spec.generation == spec.generation:
                kept = [one for one in before.instances if one.kept][: spec.instance_count]
            try:
                fresh = await self._start(spec, spec.instance_count - len(kept), keep_logs=bool(kept))
            except OSError as error:
                raise DeploymentFailed(f"The deployment cannot be started: {error}.") from error
            instances = kept + fresh
            session = f"{spec.name}-{spec.generation}"
            backend = Backend(spec.limits, [instance.upstream for instance in instances], session)
            self._running[key] = _Running(spec, instances, backend)
            self._router.set_backend(*key, backend)
            if before is not None:
                before.backend.supersede(backend)
            self._containers.warm(_SPARE_DELAY_SECONDS)
            if before is not None:
                timeout = max(before.spec.request_timeout_ms, spec.request_timeout_ms) / 1000
                await _retire((one for one in before.instances if one not in kept), timeout)

    async def remove(self, endpoint: str, name: str) -> None:
        """Take a deployment out of the router, let its requests end, stop it, and drop its logs."""
        key = endpoint, name
        async with self._locks.setdefault(key, asyncio.Lock()):
            self._router.set_backend(endpoint, name, None)
            running = self._running.pop(key, None)
            if running is not None:
                await _retire(running.instances, running.spec.request_timeout_ms / 1000)
            await asyncio.to_thread(self._logs.drop, endpoint, name)

    def logs(self, endpoint: str, name: str, container: str, tail: int | None = None) -> str:
        """Give the last `tail` lines of a container's log, of the latest start even if that failed.

        `container` is "inference-server" or "storage-initializer".
        """
        return self._logs.read(endpoint, name, container, tail)

    def running(self, endpoint: str, name: str) -> list[bool]:
        """Say of each instance whether it is up; [] if there is no such deployment."""
        running = self._running.get((endpoint, name))
        return [instance.upstream.up for instance in running.instances] if running else []

    async def close(self) -> None:
        """Stop everything, starts under way included, without waiting for requests."""
        self._closed = True
        if self._housekeeper is not None:
            self._housekeeper.cancel()
            await asyncio.gather(self._housekeeper, return_exceptions=True)
            self._housekeeper = None
        running, self._running = self._running, {}
        for key in running:
            self._router.set_backend(*key, None)
        instances = {instance for each in running.values() for instance in each.instances} | self._starting
        await asyncio.gather(*(instance.stop() for instance in instances), self._containers.close())

    async def _start(self, spec: DeploymentSpec, count: int, *, keep_logs: bool) -> list[Instance]:
        if count <= 0:
            return []
        running = self._running.get((spec.endpoint, spec.name))
        used = {instance.log.parent for instance in running.instances} if running else set()
        logs = self._logs.open(spec.endpoint, spec.name, same=keep_logs, used=used)
        script = _entry_script(spec)
        logs.note(f"Code folder: {spec.code_dir}\nEntry script: {spec.entry_script}\nModel folder: {spec.model_dir}\n")
        if spec.model_dir is not None and not spec.model_dir.is_dir():
            raise DeploymentFailed(f"The model folder {spec.model_dir} does not exist.")
        came_up = partial(self._mark_up, (spec.endpoint, spec.name))
        fresh = []
        for _ in range(count):
            self._count += 1
            folder = self._folder / "instances" / f"{spec.endpoint}.{spec.name}.{self._count}"
            shutil.rmtree(folder, ignore_errors=True)
            log = logs.new_log()
            fresh.append(Instance(spec, script, folder, log, self._containers, came_up))
        self._starting.update(fresh)
        try:
            outcomes = await asyncio.gather(*(one.start() for one in fresh), return_exceptions=True)
            failure = next((outcome for outcome in outcomes if outcome is not None), None)
            if failure is not None:
                raise failure
        except BaseException:
            await asyncio.shield(asyncio.gather(*(one.stop() for one in fresh)))
            raise
        finally:
            self._starting.difference_update(fresh)
        return fresh

    def _mark_up(self, key: Key, upstream: Upstream) -> None:
        """Use an instance that has come back."""
        upstream.up = True
        running = self._running.get(key)
        if running is not None:
            running.backend.recheck()

    async def _keep_logs_small(self) -> None:
        while True:
            await asyncio.sleep(_LOG_CHECK_SECONDS)
            with contextlib.suppress(OSError):
                self._logs.trim()


def reap(folder: Path) -> int:
    """End the processes that a killed supervisor left behind, and their folders; give how many were alive."""
    found = containers.reap(folder)
    shutil.rmtree(folder / "instances", ignore_errors=True)
    return found


def _entry_script(spec: DeploymentSpec) -> Path:
    if spec.code_dir is None or not spec.entry_script:
        raise DeploymentFailed(f"Deployment '{spec.name}' has no code configuration: a scoring script is needed.")
    script = (spec.code_dir / spec.entry_script).resolve()
    if not script.is_relative_to(spec.code_dir.resolve()) or not script.is_file():
        raise DeploymentFailed(f"The scoring script '{spec.entry_script}' is not in the code folder.")
    return script


async def _retire(instances: Iterable[Instance], request_timeout: float) -> None:
    leaving: Sequence[Instance] = tuple(instances)
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(request_timeout + _DRAIN_MARGIN_SECONDS):
                await asyncio.gather(*(one.upstream.drained() for one in leaving))
    finally:
        await asyncio.shield(asyncio.gather(*(one.stop() for one in leaving)))
