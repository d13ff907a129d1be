"""The supervisor: what it serves, what it refuses, and what it changes under load."""

from __future__ import annotations

import asyncio
import dataclasses
from collections import Counter
from pathlib import Path
from typing import Any

import psutil
import pytest
from servers import alive, bench, run

from local.errors import Invalid
from local.serving.instance import DeploymentFailed
from local.serving.logs import STARTS_KEPT


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
def test_row_14_a_failing_init_fails_the_deployment_and_leaves_the_old_one_serving(tmp_path: Path) -> None:
    """row_14, row_17: init that raises is DeploymentFailed with the log; what served before goes on.

    However often it is tried, what serves keeps the file that it logs to.
    """

    async def scenario() -> None:
        async with bench(tmp_path) as made:
            await made.apply(made.spec(environment_variables={"LABEL": "old"}))
            broken = "def init():\n    raise OSError('no model here')\ndef run(data):\n    return 1\n"
            with pytest.raises(DeploymentFailed, match="exit code 3") as failed:
                await made.supervisor.apply(made.spec(broken, generation="2"))
            assert "no model here" in failed.value.log_tail
            assert "no model here" in made.supervisor.logs("endp", "blue", "inference-server")
            for generation in range(STARTS_KEPT):
                with pytest.raises(DeploymentFailed, match="is not in the code folder"):
                    await made.supervisor.apply(made.spec(generation=f"3.{generation}", entry_script="missing.py"))
            status, answer = await made.score()
            assert (status, answer["label"]) == (200, "old")
            kept = [log.read_text() for log in (tmp_path / "serving" / "logs").rglob("inference-server-*.log")]
            assert any("init of old" in log for log in kept)

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
