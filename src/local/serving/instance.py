"""One instance of a deployment: an inference server that is started, probed, and restarted when it fails."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from local.errors import LocalError
from local.routing.ask import ask
from local.routing.backend import Upstream
from local.routing.exchange import ExchangeFailed
from local.routing.scoring_request import request_bytes
from local.serving.containers import GRACE_SECONDS, Container, Containers
from local.serving.spec import DeploymentSpec

RESTARTS = 8
"""Restarts in a row before an instance is given up."""
HEALTHY_SECONDS = 60.0
"""An instance that lasted so long starts again with a clean slate."""
_FAILED_GRACE_SECONDS = 1.0
_FIRST_PAUSE = 0.25
_LONGEST_PAUSE = 30.0
_LOG_TAIL_BYTES = 64 * 1024

_logger = logging.getLogger("local.serving")


class DeploymentFailed(LocalError):
    """The new instances of a deployment did not become ready; what served before goes on serving."""

    def __init__(self, message: str, log_tail: str = "") -> None:
        super().__init__(message)
        self.log_tail = log_tail


class Instance:
    """Keeps one inference server running."""

    def __init__(
        self,
        spec: DeploymentSpec,
        script: Path,
        folder: Path,
        log: Path,
        containers: Containers,
        came_up: Callable[[Upstream], None],
    ) -> None:
        """`folder` is the server's own; `came_up` is told when the instance serves again after a crash."""
        self.upstream = Upstream("")
        self.upstream.up = False
        self.log = log
        self._spec = spec
        self._script = script
        self._folder = folder
        self._containers = containers
        self._came_up = came_up
        self._container: Container | None = None
        self._keeper: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start the server and wait until it is ready; raise DeploymentFailed if it is not."""
        try:
            await self._launch()
        except BaseException:
            # It has not served: nothing of it is worth waiting for.
            await self._end(grace=0.0)
            raise
        self.upstream.up = True
        self._keeper = asyncio.get_running_loop().create_task(self._keep())

    @property
    def kept(self) -> bool:
        """Whether the server is started again when it ends: not when it has been given up, or stopped."""
        return self._keeper is not None and not self._keeper.done()

    async def stop(self) -> None:
        """End the server and forget its folder. Safe at any time, and to repeat."""
        self.upstream.up = False
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)
        await self._end()
        # A script may have written much there, and the router answers in this loop.
        await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)

    async def _launch(self) -> None:
        temporary = self._folder / "tmp"
        temporary.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        environment = self._environment(temporary)
        self._container = container = await self._containers.take(self._spec.environment_variables)
        container.order(
            {
                "environment": environment,
                "folder": str(self._folder),
                "script": str(self._script),
                "log": str(self.log),
            }
        )
        await self._become_ready(container)
        self.upstream.address = container.address

    def _environment(self, temporary: Path) -> dict[str, str]:
        # Built from nothing, so that no token or setting of the workspace reaches the user's code.
        search = os.pathsep.join((str(self._containers.python.parent), os.defpath))
        environment = {
            "PATH": search,
            "HOME": str(self._folder),
            "LANG": "C.UTF-8",
            "TMPDIR": str(temporary),
            "OMP_NUM_THREADS": "1",
            "WORKER_COUNT": "1",
            "WORKER_TIMEOUT": "300",
            "AZUREML_LOG_LEVEL": "INFO",
            "AML_APP_INSIGHTS_ENABLED": "false",
            **self._spec.environment_variables,
            "AZUREML_ENTRY_SCRIPT": str(self._script),
            "AML_APP_ROOT": str(self._spec.code_dir),
        }
        if self._spec.model_dir is not None:
            environment["AZUREML_MODEL_DIR"] = str(self._spec.model_dir)
        return environment

    async def _become_ready(self, container: Container) -> None:
        ended = asyncio.ensure_future(container.process.wait())
        probing = asyncio.ensure_future(self._probe_until_ready(container))
        # Both probes ask the same; a server that never answers is killed by whichever gives up first.
        kind, probe = min(self._spec.probes.items(), key=lambda each: each[1].deadline)
        try:
            async with asyncio.timeout(probe.deadline):
                await asyncio.wait((ended, probing), return_when=asyncio.FIRST_COMPLETED)
        except TimeoutError:
            raise DeploymentFailed(
                f"User container did not become ready: the {kind} probe had not passed after {probe.deadline:g} s.",
                self.log_tail(),
            ) from None
        finally:
            probing.cancel()
            ended.cancel()
            await asyncio.gather(probing, ended, return_exceptions=True)
        if container.process.returncode is not None:
            raise DeploymentFailed(
                f"User container has crashed or terminated (exit code {container.process.returncode}). "
                "The inference-server log says why.",
                self.log_tail(),
            )

    async def _probe_until_ready(self, container: Container) -> None:
        # The socket listens before the server runs: the first probe waits there and passes at once.
        probe = self._spec.readiness
        passed = 0
        while passed < probe.success_threshold:
            passed = passed + 1 if await _alive(container.address, max(probe.timeout, probe.period)) else 0
            if passed < probe.success_threshold:
                await asyncio.sleep(min(probe.period, 0.1))

    async def _keep(self) -> None:
        """Restart the server whenever it ends or stops answering its liveness probe."""
        loop = asyncio.get_running_loop()
        attempts = 0
        while True:
            since = loop.time()
            reason = await self._failure()
            self.upstream.mark_down()
            await self._end(_FAILED_GRACE_SECONDS)
            if loop.time() - since >= HEALTHY_SECONDS:
                attempts = 0
            while True:
                attempts += 1
                if attempts > RESTARTS:
                    self._note(f"{reason}; given up after {RESTARTS} restarts in a row")
                    return
                pause = 0.0 if attempts == 1 else min(_FIRST_PAUSE * 2**attempts, _LONGEST_PAUSE)
                self._note(f"{reason}; restart {attempts} in {pause:g} s")
                await asyncio.sleep(pause)
                try:
                    await self._launch()
                except (DeploymentFailed, OSError) as error:
                    reason = str(error)
                    await self._end()
                else:
                    break
            self._came_up(self.upstream)

    async def _failure(self) -> str:
        """Wait until the server needs a restart; say why."""
        container = self._container
        if container is None:
            return "the server was not running"
        ended = asyncio.ensure_future(container.process.wait())
        failures = 0
        try:
            while failures < self._spec.liveness.failure_threshold:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._spec.liveness.period):
                        code = await asyncio.shield(ended)
                    return f"the server ended with exit code {code}"
                alive = await _alive(container.address, self._spec.liveness.timeout)
                failures = 0 if alive else failures + 1
        finally:
            ended.cancel()
        return f"the liveness probe failed {failures} times in a row"

    async def _end(self, grace: float = GRACE_SECONDS) -> None:
        container, self._container = self._container, None
        if container is not None:
            await asyncio.shield(container.stop(grace))

    def log_tail(self) -> str:
        """Give the end of the log: what the user needs to see when the instance has failed."""
        try:
            return self.log.read_bytes()[-_LOG_TAIL_BYTES:].decode(errors="replace")
        except OSError:
            return ""

    def _note(self, what: str) -> None:
        _logger.warning("%s/%s: %s", self._spec.endpoint, self._spec.name, what)
        with contextlib.suppress(OSError), self.log.open("a") as log:
            log.write(f"[local workspace] {what}\n")


async def _alive(address: str, timeout: float) -> bool:
    try:
        return (await ask(address, request_bytes("GET", "/", [], b""), timeout)).status == 200
    except (ExchangeFailed, TimeoutError):
        return False
