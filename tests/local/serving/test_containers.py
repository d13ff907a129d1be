"""The processes behind the instances: started ahead, never left behind."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import psutil
import pytest
from servers import alive, bench, run, until

from local.serving.containers import Containers, start_time
from local.serving.supervisor import reap


@pytest.mark.slow
def test_the_spare_is_used_unless_variables_count_from_the_first(tmp_path: Path) -> None:
    """The waiting process becomes the next server; a variable that Python reads at its start needs a new one."""

    async def scenario() -> None:
        async with bench(tmp_path) as made:
            await made.apply(made.spec())
            first = (await made.score())[1]["pid"]
            await until(lambda: len(leaders(tmp_path / "serving" / "processes")) == 2)
            (spare,) = {*leaders(tmp_path / "serving" / "processes")} - {first}
            await made.apply(made.spec(generation="2", environment_variables={"PYTHONHASHSEED": "7"}))
            _, answer = await made.score()
            assert answer["pid"] not in (first, spare)
            assert answer["environment"]["PYTHONHASHSEED"] == "7"
            await made.apply(made.spec(generation="3"))
            assert (await made.score())[1]["pid"] == spare

    run(scenario())


def test_a_spare_that_could_not_be_started_stands_in_no_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No descriptor was free at that moment: the next start is made anew, and the end is no error either."""

    async def scenario() -> None:
        containers = Containers(tmp_path, sys.executable)
        with monkeypatch.context() as patch:

            async def full(*_: object, **__: object) -> None:
                raise OSError(24, "Too many open files")

            patch.setattr(asyncio, "create_subprocess_exec", full)
            containers.warm()
            await asyncio.sleep(0.1)
        container = await containers.take({})
        assert container.process.returncode is None
        await container.stop(0)
        await containers.close()

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
        from local.serving.spec import DeploymentSpec
        from local.serving.supervisor import Supervisor
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
