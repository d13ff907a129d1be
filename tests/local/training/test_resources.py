"""The production job with a larger machine or several of them: what its YAML says arrives as Azure's API spells it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ops import jobs

ROOT = Path(__file__).parents[3]
# docs/scale.md shows the first and names the second.
SERVERLESS = {"resources": {"instance_type": "Standard_E16s_v3", "instance_count": 1}}
NODES = {
    "resources": {"instance_count": 4, "shm_size": "8g"},
    "distribution": {"type": "pytorch", "process_count_per_instance": 1},
}


@pytest.fixture
def submit(ml_client: Any, tmp_path: Path) -> Any:
    """Send azureml/job-prod.yml with changes, as `inv train-prod` sends it; it runs `echo` in place of a training."""

    def submit(changes: dict[str, Any], without: tuple[str, ...] = ()) -> Any:
        content = yaml.safe_load((ROOT / "azureml" / "job-prod.yml").read_text()) | changes
        for key in without:
            del content[key]
        content["command"] = "echo ${{inputs.data}} ${{inputs.model}}"
        content["code"] = str(ROOT / "src" / "train")
        content["environment"]["conda_file"] = str(ROOT / "environment.yml")
        data = tmp_path / "data"
        data.mkdir(exist_ok=True)
        (data / "rows.csv").write_text("late,x\n1,2\n")
        file = tmp_path / "job-prod.yml"
        file.write_text(yaml.safe_dump(content))
        plan = jobs.Submission(file, "prod", "flight-delays", data, data, {"model": "boosted"}, {})
        return jobs.submit(ml_client, plan)

    return submit


def wire(tape: list[Any], name: str) -> Any:
    """Return the job's properties as the control plane answered them last."""
    answers = [each for each in tape if f"/jobs/{name}" in each.url and isinstance(each.body, dict)]
    return answers[-1].body["properties"]


def test_a_job_without_a_compute_names_its_machine(ml_client: Any, submit: Any, tape: list[Any]) -> None:
    """Serverless compute: the size goes out as instanceType, and the SDK reads it back."""
    job = ml_client.jobs.get(submit(SERVERLESS, without=("compute",)).name)
    assert job.resources.instance_type == "Standard_E16s_v3"
    assert job.resources.instance_count == 1
    assert job.distribution is None
    assert wire(tape, job.name)["resources"]["instanceType"] == "Standard_E16s_v3"


def test_a_job_on_several_nodes_of_a_cluster_keeps_its_distribution(
    ml_client: Any, submit: Any, tape: list[Any]
) -> None:
    """The cluster, the nodes, their shared memory and the launcher of each, in the words of Azure's API."""
    job = ml_client.jobs.get(submit(NODES).name)
    assert job.compute == "cpu-cluster"
    assert (job.resources.instance_count, job.resources.shm_size) == (4, "8g")
    assert (job.distribution.type, job.distribution.process_count_per_instance) == ("pytorch", 1)
    seen = wire(tape, job.name)
    assert seen["computeId"].endswith("/computes/cpu-cluster")
    assert seen["distribution"] == {"distributionType": "PyTorch", "processCountPerInstance": 1}
    assert seen["resources"]["instanceCount"] == 4


def test_a_job_for_several_nodes_runs_here_as_one_process(
    ml_client: Any, submit: Any, wait: Any, tmp_path: Path
) -> None:
    """And its log says so, before what the job says."""
    name = submit(NODES).name
    wait(lambda: ml_client.jobs.get(name).status in ("Completed", "Failed"))
    ml_client.jobs.download(name, download_path=tmp_path / "got")
    log = (tmp_path / "got/artifacts/user_logs/std_log.txt").read_text().splitlines()
    assert log[0] == "The local workspace runs this job as one process on one node, without ranks."
    assert len(log) == 2
