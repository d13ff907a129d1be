"""A supervisor with real inference servers and small scoring scripts, and a caller of its router."""

from __future__ import annotations

import asyncio
import json
import sys
import textwrap
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil

from local.routing.router import Router
from local.routing.routes import EndpointRoute
from local.routing.scoring_reply import ScoringReply
from local.routing.scoring_request import ScoringRequest
from local.serving.spec import DeploymentSpec
from local.serving.supervisor import Supervisor

KEY = "the-key"
ECHO = """
    import json, os, time, sys
    def init():
        print("init of", os.environ.get("LABEL"))
    def run(data):
        asked = json.loads(data)
        if "sleep" in asked:
            time.sleep(asked["sleep"])
        if "die" in asked:
            os.kill(os.getppid(), 9)
            time.sleep(9)
        if "raise" in asked:
            raise ValueError(asked["raise"])
        return {"pid": os.getppid(), "label": os.environ.get("LABEL"), "environment": dict(os.environ)}
"""


class Bench:
    """A supervisor, its router, and a caller that hands the router what a connection has read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.router = Router()
        self.supervisor = Supervisor(folder / "serving", self.router, sys.executable)

    def spec(self, script: str = ECHO, generation: str = "1", **settings: Any) -> DeploymentSpec:
        """Write a script into a code folder of its own and give a spec that serves it."""
        code = self.folder / f"code-{abs(hash(script))}"
        code.mkdir(exist_ok=True)
        (code / "score.py").write_text(textwrap.dedent(script))
        settings = {"code_dir": code, "entry_script": "score.py"} | settings
        settings.setdefault("max_concurrent_requests_per_instance", 32)
        return DeploymentSpec("endp", "blue", generation, **settings)

    async def apply(self, spec: DeploymentSpec) -> None:
        """Apply, and give the deployment all traffic."""
        await self.supervisor.apply(spec)
        self.router.set_endpoint(EndpointRoute("endp", keys=(KEY,), traffic={"blue": 100}))

    async def score(self, **asked: Any) -> tuple[int, Any]:
        """Send one request through the router; give status and parsed body."""
        answered: asyncio.Future[ScoringReply] = asyncio.get_running_loop().create_future()
        headers = [(b"authorization", b"Bearer " + KEY.encode()), (b"content-type", b"application/json")]
        request = ScoringRequest.of("POST", b"/endp/score", headers)
        refused = self.router.check(request)
        if refused is None:
            self.router.dispatch(request, json.dumps(asked).encode(), answered.set_result)
        reply = refused or await answered
        return reply.status, json.loads(reply.body)


@asynccontextmanager
async def bench(folder: Path) -> AsyncIterator[Bench]:
    """Give a bench, and stop all that it started."""
    made = Bench(folder)
    try:
        yield made
    finally:
        await made.supervisor.close()
        await made.router.close()


def run(scenario: Coroutine[Any, Any, None]) -> None:
    """Run a scenario; it must end within a minute."""
    asyncio.run(asyncio.wait_for(scenario, 60))


async def until(condition: Callable[[], bool], seconds: float = 15) -> None:
    """Wait for a condition, and fail if it does not come."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


def alive(pid: int) -> bool:
    """Say whether a process runs (a zombie does not)."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
