"""One inference server: probed, restarted when it fails, given up when it keeps failing."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import sys
import time
from pathlib import Path

import pytest
from servers import bench, run, until

from local.serving.containers import Containers
from local.serving.instance import DeploymentFailed, Instance
from local.serving.spec import Probe


@pytest.mark.slow
def test_a_server_that_hangs_is_noticed_by_its_probe(tmp_path: Path) -> None:
    """A server whose worker answers nothing any more is restarted after failure_threshold probes."""

    async def scenario() -> None:
        async with bench(tmp_path) as made:
            probe = Probe(period=0.2, timeout=0.2, failure_threshold=3)
            await made.apply(made.spec(liveness=probe, request_timeout_ms=400))
            _, before = await made.score()
            assert (await made.score(sleep=600))[0] == 408
            await until(lambda: "probe failed 3 times" in made.supervisor.logs("endp", "blue", "inference-server"))
            await until(lambda: made.supervisor.running("endp", "blue") == [True])
            status, after = await made.score()
            assert status == 200
            assert after["pid"] != before["pid"]

    run(scenario())


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["readiness", "liveness"])
def test_an_init_that_hangs_fails_at_the_probes_deadline(tmp_path: Path, kind: str) -> None:
    """A server that never passes is ended after either probe's initial_delay + period * failure_threshold."""

    async def scenario() -> None:
        async with bench(tmp_path) as made:
            hanging = "import time\ndef init():\n    time.sleep(600)\ndef run(data):\n    return 1\n"
            probe = Probe(initial_delay=0.5, period=0.5, timeout=0.5, failure_threshold=1)
            with pytest.raises(DeploymentFailed, match=f"the {kind} probe had not passed after 1 s"):
                await made.supervisor.apply(made.spec(hanging, **{kind: probe}))
            assert list((tmp_path / "serving" / "processes").glob("*.json")) == []

    run(scenario())


@pytest.mark.slow
def test_a_killed_server_comes_back(tmp_path: Path) -> None:
    """A server that is killed is started again; its log says so; a second one carries on meanwhile."""

    async def scenario() -> None:
        async with bench(tmp_path) as made:
            await made.apply(made.spec(instance_count=2))
            pids = {(await made.score())[1]["pid"] for _ in range(20)}
            victim = min(pids)
            os.kill(victim, signal.SIGKILL)
            statuses = set()
            await until(lambda: not all(made.supervisor.running("endp", "blue")))
            while not all(made.supervisor.running("endp", "blue")):
                statuses.add((await made.score())[0])
            assert statuses <= {200}
            now = {(await made.score())[1]["pid"] for _ in range(20)}
            assert len(now) == 2
            assert victim not in now
            assert "restart 1" in made.supervisor.logs("endp", "blue", "inference-server")

    run(scenario())


@pytest.mark.slow
def test_a_server_that_keeps_dying_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Restarts come after longer and longer pauses; past their limit it is left down: 424 model_not_ready.

    Deployed again as it is, it is started anew.
    """
    monkeypatch.setattr("local.serving.instance.RESTARTS", 3)
    monkeypatch.setattr("local.serving.instance._FIRST_PAUSE", 0.005)
    flag = tmp_path / "served"
    script = f"""
        import os, pathlib, time
        def init():
            flag = pathlib.Path({str(flag)!r})
            if flag.exists():
                raise RuntimeError("only once")
            flag.touch()
        def run(data):
            os.kill(os.getppid(), 9)
            time.sleep(9)
    """

    async def scenario() -> None:
        async with bench(tmp_path) as made:
            await made.apply(made.spec(script, max_queue_wait_ms=50))
            status, _ = await made.score()
            assert status == 424
            await until(lambda: "given up" in made.supervisor.logs("endp", "blue", "inference-server"))
            log = made.supervisor.logs("endp", "blue", "inference-server")
            assert re.findall(r"; restart (\d) in (\S+) s", log) == [("1", "0"), ("2", "0.02"), ("3", "0.04")]
            status, answer = await made.score()
            assert (status, answer["error"]["message"]) == (424, "No instance of the deployment is up.")
            flag.unlink()
            await made.supervisor.apply(made.spec(script, max_queue_wait_ms=50))
            assert made.supervisor.running("endp", "blue") == [True]

    run(scenario())


def test_requests_are_answered_while_a_servers_folder_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The router's loop turns on, however much a script has left there."""
    remove = shutil.rmtree

    def slowly(folder: Path, ignore_errors: bool) -> None:
        time.sleep(0.5)
        remove(folder, ignore_errors=ignore_errors)

    monkeypatch.setattr(shutil, "rmtree", slowly)
    folder = tmp_path / "folder"
    folder.mkdir()

    async def scenario() -> None:
        async with bench(tmp_path) as made:
            containers = Containers(tmp_path, sys.executable)
            log = tmp_path / "log"
            instance = Instance(made.spec(), tmp_path / "score.py", folder, log, containers, lambda upstream: None)
            stopping = asyncio.create_task(instance.stop())
            turns = 0
            while not stopping.done():
                await asyncio.sleep(0.01)
                turns += 1
            assert turns > 5
            assert not folder.exists()

    run(scenario())
