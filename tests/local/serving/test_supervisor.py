"""The supervisor with real inference servers and small scoring scripts."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import signal
import subprocess
import sys
import textwrap
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from local.errors import Invalid
from local.routing.router import EndpointRoute, Router
from local.serving.containers import start_time
from local.serving.logs import LIMIT_BYTES, LogShelf, UnknownContainer
from local.serving.supervisor import DeploymentFailed, DeploymentSpec, Probe, Supervisor, reap

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
    """A supervisor, its router, and a caller that speaks to the router as uvicorn would."""

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
        sent: list[dict[str, Any]] = []
        body = json.dumps(asked).encode()
        pending = [{"type": "http.request", "body": body}]

        async def receive() -> dict[str, Any]:
            if pending:
                return pending.pop()
            await asyncio.Event().wait()
            raise AssertionError

        async def send(message: Any) -> None:
            sent.append(message)

        headers = [(b"authorization", b"Bearer " + KEY.encode()), (b"content-type", b"application/json")]
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/endp/score",
            "query_string": b"",
            "headers": headers,
        }
        await self.router(scope, receive, send)
        return sent[0]["status"], json.loads(sent[1]["body"])


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


def test_a_script_is_served_with_its_environment_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """row_14: the server sees its model, script and variables, and nothing of the workspace's environment."""
    monkeypatch.setenv("SECRET_OF_THE_WORKSPACE", "s3cret")
    model = tmp_path / "models" / "m" / "1"
    model.mkdir(parents=True)

    async def scenario() -> None:
        async with bench(tmp_path) as made:
            spec = made.spec(model_dir=model, environment_variables={"LABEL": "one", "WORKER_COUNT": "2"})
            await made.apply(spec)
            status, answer = await made.score()
            assert status == 200
            environment = answer["environment"]
            assert environment["AZUREML_MODEL_DIR"] == str(model)
            assert environment["AML_APP_ROOT"] == str(spec.code_dir)
            assert environment["LABEL"] == "one"
            assert environment["WORKER_COUNT"] == "2"
            assert environment["OMP_NUM_THREADS"] == "1"
            assert "s3cret" not in environment.values()
            assert Path(environment["HOME"]).is_relative_to(tmp_path)
            assert "init of one" in made.supervisor.logs("endp", "blue", "inference-server")
            assert str(model) in made.supervisor.logs("endp", "blue", "storage-initializer")
            status, answer = await made.score(**{"raise": "no such row"})
            assert status == 424
            assert "no such row" in made.supervisor.logs("endp", "blue", "inference-server", 30)

    run(scenario())


@pytest.mark.slow
def test_removal_stops_the_server_and_drops_its_logs(tmp_path: Path) -> None:
    """row_26: a server has no port while it serves; once removed it has no process, route, log or folder."""

    async def scenario() -> None:
        async with bench(tmp_path) as made:
            await made.apply(made.spec())
            _, answer = await made.score()
            listening = psutil.Process(answer["pid"]).connections()
            assert [one.laddr for one in listening if one.status == psutil.CONN_LISTEN] == []
            assert (tmp_path / "serving" / "processes").stat().st_mode & 0o077 == 0
            await made.supervisor.remove("endp", "blue")
            assert not alive(answer["pid"])
            assert (await made.score())[0] == 404
            assert made.supervisor.logs("endp", "blue", "inference-server") == ""
            assert list((tmp_path / "serving" / "instances").iterdir()) == []

    run(scenario())


@pytest.mark.slow
def test_the_spare_is_used_unless_variables_count_from_the_first(tmp_path: Path) -> None:
    """The waiting process becomes the next server; a variable that Python reads at its start needs a new one."""

    async def scenario() -> None:
        async with bench(tmp_path) as made:
            made.supervisor.warm()
            await until(lambda: len(leaders(tmp_path / "serving" / "processes")) == 1)
            (spare,) = leaders(tmp_path / "serving" / "processes")
            await made.apply(made.spec())
            assert (await made.score())[1]["pid"] == spare
            late = made.spec(generation="2", environment_variables={"PYTHONHASHSEED": "7"})
            known = leaders(tmp_path / "serving" / "processes")
            await made.apply(late)
            _, answer = await made.score()
            assert answer["pid"] not in known
            assert answer["environment"]["PYTHONHASHSEED"] == "7"

    run(scenario())


@pytest.mark.slow
def test_a_start_that_is_cancelled_leaves_no_process(tmp_path: Path) -> None:
    """Cancelling a deployment while init runs ends its process; the next attempt works."""

    async def scenario() -> None:
        async with bench(tmp_path) as made:
            slow = "import time\ndef init():\n    time.sleep(600)\ndef run(data):\n    return 1\n"
            task = asyncio.create_task(made.supervisor.apply(made.spec(slow)))
            await until(lambda: "Invoking" in made.supervisor.logs("endp", "blue", "inference-server"))
            pids = leaders(tmp_path / "serving" / "processes")
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert not any(alive(pid) for pid in pids)
            await made.apply(made.spec())
            assert (await made.score())[0] == 200

    run(scenario())


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
def test_row_14_a_failing_init_fails_the_deployment_and_leaves_the_old_one_serving(tmp_path: Path) -> None:
    """row_14, row_17: init that raises is DeploymentFailed with the log; what served before goes on."""

    async def scenario() -> None:
        async with bench(tmp_path) as made:
            await made.apply(made.spec(environment_variables={"LABEL": "old"}))
            broken = "def init():\n    raise OSError('no model here')\ndef run(data):\n    return 1\n"
            with pytest.raises(DeploymentFailed, match="exit code 3") as failed:
                await made.supervisor.apply(made.spec(broken, generation="2"))
            assert "no model here" in failed.value.log_tail
            assert "no model here" in made.supervisor.logs("endp", "blue", "inference-server")
            status, answer = await made.score()
            assert (status, answer["label"]) == (200, "old")

    run(scenario())


@pytest.mark.slow
def test_an_init_that_hangs_fails_at_the_probes_deadline(tmp_path: Path) -> None:
    """A server that never passes its probe is ended after initial_delay + period * failure_threshold."""

    async def scenario() -> None:
        async with bench(tmp_path) as made:
            hanging = "import time\ndef init():\n    time.sleep(600)\ndef run(data):\n    return 1\n"
            probe = Probe(initial_delay=0.5, period=0.5, timeout=0.5, failure_threshold=1)
            with pytest.raises(DeploymentFailed, match="had not passed after 1 s"):
                await made.supervisor.apply(made.spec(hanging, readiness=probe))
            assert list((tmp_path / "serving" / "processes").glob("*.json")) == []

    run(scenario())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"entry_script": "missing.py"}, "is not in the code folder"),
        ({"entry_script": "../outside.py"}, "is not in the code folder"),
        ({"entry_script": None}, "no code configuration"),
        ({"model_dir": Path("/nonexistent/model")}, "does not exist"),
    ],
)
def test_what_cannot_be_served_is_refused_at_once(tmp_path: Path, settings: dict[str, Any], message: str) -> None:
    """A script that is absent or outside its folder, no script, or no model: DeploymentFailed, and no process."""
    (tmp_path / "outside.py").write_text("def init(): pass\ndef run(data): return 1\n")

    async def scenario() -> None:
        async with bench(tmp_path) as made:
            with pytest.raises(DeploymentFailed, match=message):
                await made.supervisor.apply(made.spec(**settings))
            assert not (tmp_path / "serving" / "processes").exists()

    run(scenario())


def test_a_name_that_is_a_path_is_refused(tmp_path: Path) -> None:
    """Names become folders: one that breaks the rules never gets there."""

    async def scenario() -> None:
        async with bench(tmp_path) as made:
            with pytest.raises(Invalid, match="is not valid"):
                await made.supervisor.apply(dataclasses.replace(made.spec(), name="../../blue"))

    run(scenario())


@pytest.mark.slow
def test_redeploy_and_scale_of_a_live_deployment_lose_no_request(tmp_path: Path) -> None:
    """Zero downtime: under load, a redeploy, a scale-up, a scale-down and a removal of traffic fail no request."""

    async def scenario() -> None:
        async with bench(tmp_path) as made:
            await made.apply(made.spec(environment_variables={"LABEL": "1"}))
            seen: Counter[tuple[int, str]] = Counter()
            done = asyncio.Event()

            async def caller() -> None:
                while not done.is_set():
                    status, answer = await made.score()
                    seen[status, answer.get("label", "")] += 1

            callers = [asyncio.create_task(caller()) for _ in range(4)]
            two = made.spec(generation="2", environment_variables={"LABEL": "2"}, instance_count=2)
            await made.supervisor.apply(two)
            pids = {(await made.score())[1]["pid"] for _ in range(20)}
            assert len(pids) == 2
            await made.supervisor.apply(dataclasses.replace(two, instance_count=1))
            (kept,) = {(await made.score())[1]["pid"] for _ in range(20)}
            assert kept in pids
            assert [pid for pid in pids if alive(pid)] == [kept]
            done.set()
            await asyncio.gather(*callers)
            assert {status for status, _ in seen} == {200}
            assert {label for _, label in seen} == {"1", "2"}

    run(scenario())


@pytest.mark.slow
def test_a_request_under_way_is_answered_before_its_server_is_stopped(tmp_path: Path) -> None:
    """A slow request that began on the old generation gets the old generation's answer."""

    async def scenario() -> None:
        async with bench(tmp_path) as made:
            await made.apply(made.spec(environment_variables={"LABEL": "old"}))
            _, first = await made.score()
            slow = asyncio.create_task(made.score(sleep=1.0))
            await asyncio.sleep(0)
            await made.supervisor.apply(made.spec(generation="2", environment_variables={"LABEL": "new"}))
            status, answer = await slow
            assert (status, answer["label"]) == (200, "old")
            assert (await made.score())[1]["label"] == "new"
            assert not alive(first["pid"])

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
    """After the limit of restarts in a row an instance is left down, and callers get 424 model_not_ready."""
    monkeypatch.setattr("local.serving.instance.RESTARTS", 1)
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
            status, answer = await made.score()
            assert (status, answer["error"]["message"]) == (424, "No instance of the deployment is up.")

    run(scenario())


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the kernel ends orphans on Linux only; elsewhere reap does")
def test_a_killed_supervisor_leaves_no_process_and_no_socket(tmp_path: Path) -> None:
    """kill -9 of the workspace ends its inference servers, and reap clears what they left."""
    code = tmp_path / "code"
    code.mkdir()
    (code / "score.py").write_text("def init(): pass\ndef run(data): return 1\n")
    program = f"""
        import asyncio, sys
        from pathlib import Path
        from local.routing.router import Router
        from local.serving.supervisor import DeploymentSpec, Supervisor
        async def main():
            supervisor = Supervisor(Path({str(tmp_path / "serving")!r}), Router(), sys.executable)
            code = Path({str(code)!r})
            await supervisor.apply(DeploymentSpec("endp", "blue", "1", code_dir=code, entry_script="score.py"))
            print("ready", flush=True)
            await asyncio.Event().wait()
        asyncio.run(main())
    """
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    workspace = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE, env=environment, text=True
    )
    assert workspace.stdout is not None
    assert workspace.stdout.readline() == "ready\n"
    folder = tmp_path / "serving" / "processes"
    members = {pid for leader in leaders(folder) for pid in group(leader)}
    assert len(members) >= 2, "the server and its worker"
    workspace.kill()
    workspace.wait()
    members.update(leaders(folder))
    asyncio.run(until(lambda: not any(alive(pid) for pid in members)))
    assert reap(tmp_path / "serving") == 0
    assert list(folder.iterdir()) == []
    workspace.stdout.close()


def leaders(folder: Path) -> list[int]:
    """List the processes on record."""
    return [json.loads(record.read_text())["pid"] for record in folder.glob("*.json")]


def group(leader: int) -> list[int]:
    """List a process and all its descendants."""
    return [leader, *(child.pid for child in psutil.Process(leader).children(recursive=True))]


def test_reap_ends_a_recorded_process_and_spares_a_stranger(tmp_path: Path) -> None:
    """reap ends a process whose pid and start time are on record; a recycled pid has another start time."""
    folder = tmp_path / "processes"
    folder.mkdir()
    sleeper = [sys.executable, "-c", "import time; time.sleep(60)"]
    ours, stranger = (subprocess.Popen(sleeper, start_new_session=True) for _ in range(2))
    try:
        record = {"pid": ours.pid, "started": start_time(ours.pid), "socket": str(folder / "a.sock")}
        (folder / "a.json").write_text(json.dumps(record))
        (folder / "b.json").write_text(json.dumps(record | {"pid": stranger.pid, "started": "1"}))
        (folder / "c.json").write_text('{"pid": 1')
        assert reap(tmp_path) == 1
        assert ours.wait(10) == -signal.SIGKILL
        assert stranger.poll() is None
        assert list(folder.iterdir()) == []
    finally:
        for process in (ours, stranger):
            process.kill()
            process.wait()


def test_logs_are_cut_to_their_end_and_only_two_containers_have_them(tmp_path: Path) -> None:
    """A log over its limit keeps its last quarter in whole lines, and the writer goes on after it."""
    shelf = LogShelf(tmp_path)
    log = shelf.open("endp", "blue", same=False).new_log()
    with log.open("ab", buffering=0) as writer:
        line = b"a line of the log\n"
        writer.write(line * (LIMIT_BYTES // len(line) + 10))
        shelf.trim()
        writer.write(b"the last one\n")
    assert log.stat().st_size < LIMIT_BYTES / 3
    lines = log.read_bytes().splitlines()
    assert set(lines[:-1]) == {line.strip()}
    assert shelf.read("endp", "blue", "inference-server", 1) == "the last one"
    with pytest.raises(UnknownContainer, match="There is no container 'other'"):
        shelf.read("endp", "blue", "other", 1)


def test_a_group_that_has_lost_its_leader_is_reaped(tmp_path: Path) -> None:
    """What a scoring script started and its dead server left is ended, for it works in the workspace's folder."""
    folder = tmp_path / "serving"
    (folder / "processes").mkdir(parents=True)
    leader = subprocess.Popen(
        ["sh", "-c", "sleep 300 & echo $!"], cwd=folder, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert leader.stdout is not None
    orphan = psutil.Process(int(leader.stdout.readline()))
    record = {"pid": leader.pid, "started": start_time(leader.pid) or "1", "socket": str(folder / "none.sock")}
    leader.wait()
    (folder / "processes/one.json").write_text(json.dumps(record))
    assert reap(folder) == 1
    orphan.wait(10)
    assert not list((folder / "processes").iterdir())
