"""The doctor, with each thing broken in turn: it finds that one, and names what mends it."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from authority import SUBJECT, Authority, authority
from house import ROOT, House, build
from loopback import Asked, serve

from local import launch
from ops import deployments, doctor, endpoints, quota, signin, versions
from ops.doctor import OK, SKIPPED, WRONG, Finding
from ops.errors import DeploymentFailed, OpsError
from ops.project import Project

pytestmark = pytest.mark.integration

AZURE = {"workspace": "ws", "resource_group": "rg", "subscription": "33333333-3333-3333-3333-333333333333"}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A checkout with its local workspace; a test that breaks it mends it."""
    made = build(tmp_path_factory.mktemp("doctor") / "checkout")
    yield made
    launch.stop(made.root / ".workspace")


@pytest.fixture(scope="module")
def project(checkout: House) -> Project:
    """The checkout's project, all well."""
    return Project(checkout.settings(), checkout.root)


def findings(project: Project) -> dict[str, Finding]:
    return {finding.check: finding for finding in doctor.examine(project)}


def broken(project: Project) -> Finding:
    """Return the one thing that is wrong."""
    [wrong] = [finding for finding in doctor.examine(project) if finding.state == WRONG]
    return wrong


@pytest.fixture
def changed() -> Iterator[Callable[[Path, str | None], None]]:
    """A function that changes a file, or takes it away; afterwards it is as it was."""
    before: dict[Path, bytes | None] = {}

    def change(file: Path, content: str | None) -> None:
        before[file] = file.read_bytes() if file.exists() else None
        file.unlink(missing_ok=True) if content is None else file.write_text(content)

    yield change
    for file, was in before.items():
        file.unlink(missing_ok=True) if was is None else file.write_bytes(was)


@pytest.fixture
def fault(project: Project) -> Iterator[Callable[..., None]]:
    """A function that makes one call of the workspace fail."""
    connection = launch.ensure(project.root / ".workspace")
    headers = {"Authorization": f"Bearer {connection.token()}"}

    def call(method: str, **body: Any) -> None:
        done = requests.request(
            method, f"{connection.arm}/local/faults", headers=headers, verify=connection.ca_bundle, timeout=30, **body
        )
        assert done.ok, done.text

    yield lambda **kind: call("PUT", json={"control": [kind]})
    call("DELETE")


def test_nothing_is_wrong(project: Project) -> None:
    """All is well but the quota, which a local workspace does not have."""
    assert {name: found.state for name, found in findings(project).items()} == {
        "versions": OK, "data": OK, "sign-in": OK, "workspace": OK, "compute": OK, "endpoint": OK, "quota": SKIPPED,
    }  # fmt: skip


def test_a_package_that_is_not_the_locked_one(project: Project, changed: Callable[..., None]) -> None:
    """Both versions are named, and what installs the right one."""
    environment = (project.root / "environment.yml").read_text()
    pinned = re.findall(r"- ([\w-]+==\S+)", environment)
    changed(project.root / "requirements.txt", "\n".join([*pinned, "invoke==0.0.1"]))
    wrong = broken(project)
    assert wrong.check == "versions"
    assert "pip install -r requirements.txt" in wrong.mend
    # With the oldest dependencies others have strayed as well.
    [said] = [line for line in versions.strayed(project.root) if line.startswith("invoke ")]
    assert re.fullmatch(r"invoke \S+ is installed, 0\.0\.1 is locked", said)


def test_an_environment_that_is_not_the_lock(project: Project, changed: Callable[..., None]) -> None:
    """What would train on Azure is not what was tested here."""
    environment = (project.root / "environment.yml").read_text()
    changed(project.root / "requirements.txt", "\n".join(re.findall(r"- ([\w-]+==\S+)", environment)))
    changed(project.root / "environment.yml", re.sub(r"orjson==\S+", "orjson==0.0.1", environment))
    [said] = [line for line in versions.strayed(project.root) if "orjson" in line]
    assert said.startswith("environment.yml has orjson 0.0.1, the lock ")


def test_a_lock_with_a_version_for_each_python() -> None:
    """Either is as locked, for what installs it knows which."""
    lock = (
        "numpy==1.0 ; python_full_version < '3.12' \\\n    --hash=sha256:00\nnumpy==2.0 ; python_full_version >= '3.12'"
    )
    assert versions.pins(lock) == {"numpy": {"1.0", "2.0"}}


def test_the_repository_is_as_locked() -> None:
    """environment.yml and requirements.txt, as they are committed."""
    assert [line for line in versions.strayed(ROOT) if line.startswith("environment.yml")] == []


def test_the_pythons_are_those_that_are_declared() -> None:
    """versions.PYTHONS and pyproject.toml agree."""
    low, high = versions.PYTHONS
    declared = f'requires-python = ">={low[0]}.{low[1]},<{high[0]}.{high[1] + 1}"'
    assert declared in (ROOT / "pyproject.toml").read_text()


def test_a_folder_of_data_that_is_not_there(checkout: House) -> None:
    """Its setting is named."""
    values = checkout.settings()
    wrong = broken(Project({**values, "data": {**values["data"], "live": "data/nowhere"}}, checkout.root))
    assert (wrong.check, wrong.seen) == ("data", "nothing there: data.live: data/nowhere")


def test_a_sample_that_is_not_there(project: Project, changed: Callable[..., None]) -> None:
    """So is the request that every deployment must answer."""
    changed(project.sample, None)
    assert "data.sample: src/score/sample-request.json" in broken(project).seen


def test_a_sample_that_does_not_show_a_column(project: Project, changed: Callable[..., None]) -> None:
    """null in every row: what probes of a rollout could not send."""
    changed(project.sample, json.dumps({"input_data": [{"dest": None, "temp": 3.5}]}))
    assert "dest is null in every row" in broken(project).seen


def test_a_compute_that_does_not_exist(project: Project, changed: Callable[..., None]) -> None:
    """The one of the job's YAML is named, and how to make it."""
    file = project.root / "azureml/job-prod.yml"
    changed(file, file.read_text().replace("azureml:cpu-cluster", "azureml:nowhere"))
    wrong = broken(project)
    assert wrong.check == "compute"
    assert "nowhere" in wrong.seen
    assert wrong.mend.startswith("az ml compute create --name nowhere --type AmlCompute --min-instances 0")


@pytest.mark.parametrize(
    ("status", "mend"),
    [
        (404, "az ml workspace create --name local"),
        (403, 'az role assignment create --assignee CLIENT_ID --role "AzureML'),
    ],
)
def test_a_workspace_that_does_not_let_in(project: Project, fault: Callable[..., None], status: int, mend: str) -> None:
    """It is not there, or this sign-in has no role in it; what comes after is not asked."""
    fault(method="GET", path="/workspaces/[^/]+$", status=status, times=9)
    found = findings(project)
    assert found["workspace"].state == WRONG
    assert found["workspace"].mend.startswith(mend)
    assert {found[name].state for name in ("compute", "endpoint", "quota")} == {SKIPPED}


def test_a_workspace_that_does_not_answer(
    project: Project, fault: Callable[..., None], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its connections break: a finding like any other, after those that came before it."""
    from azure.core.pipeline.policies import RetryPolicy

    monkeypatch.setattr(RetryPolicy, "sleep", lambda *_, **__: None)
    fault(path="/workspaces/[^/]+$", refused=True, times=99)
    with pytest.raises(OpsError, match="1 of 7 checks found something wrong: workspace") as raised:
        doctor.run(project)
    shown = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in shown[:4]] == ["versions", "data", "sign-in", "workspace"]
    assert shown[-1] == "workspace: inv workspace.status says more"
    [wrong] = [found for found in json.loads(json.dumps(raised.value.facts))["checks"] if found["state"] == WRONG]
    assert wrong["seen"].startswith("no answer: ")


def test_azure_that_does_not_answer(checkout: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The network is named, and no local workspace, which there is none of."""
    from azure.core.exceptions import ServiceRequestError

    def lost(project: Project) -> Finding:
        raise ServiceRequestError("Failed to resolve 'management.azure.com'")

    monkeypatch.setattr(doctor, "sign_in", lost)
    found = findings(Project({**checkout.settings(), **AZURE}, checkout.root))["sign-in"]
    assert (found.state, found.seen) == (WRONG, "no answer: Failed to resolve 'management.azure.com'")
    assert found.mend == "your network, or its proxy, says more"


def test_a_workspace_that_cannot_start(tmp_path: Path, checkout: House) -> None:
    """Its folder cannot be made: one finding, with the reason."""
    (tmp_path / "file").touch()
    wrong = broken(Project({**checkout.settings(), "local": {"folder": str(tmp_path / "file")}}, checkout.root))
    assert wrong.check == "workspace"
    assert "local workspace:" in wrong.seen


@pytest.mark.slow
def test_a_deployment_that_failed(project: Project, tmp_path: Path) -> None:
    """Its colour is named, and where to look."""
    from azure.ai.ml.entities import Model

    (tmp_path / "code").mkdir()
    (tmp_path / "code/score.py").write_text("def init():\n    raise RuntimeError('no')\n\ndef run(body): ...\n")
    model = project.client.models.create_or_update(Model(name="any", path=str(project.sample)))
    endpoints.ensure(project.client, project.root / "azureml/endpoint.yml", project.endpoint, deadline_seconds=60)
    failing = deployments.Release(
        project.root / "azureml/deployment.yml", project.endpoint, f"azureml:any:{model.version}", {}, tmp_path / "code"
    )
    with pytest.raises(DeploymentFailed):
        deployments.create(project.client, "blue", failing, deadline_seconds=60, say=print)
    wrong = broken(project)
    project.client.online_endpoints.begin_delete(project.endpoint).result()
    assert (wrong.check, wrong.seen) == ("endpoint", "flight-delays: blue failed")
    assert wrong.mend == "inv logs --slot blue, mend, inv deploy"


def test_the_task_fails_and_prints_what_mends(
    project: Project, changed: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1; a script gets every check with the error."""
    changed(project.sample, None)
    with pytest.raises(OpsError, match="1 of 7 checks found something wrong: data") as raised:
        doctor.run(project)
    assert "data: name them in invoke.yaml, under data" in capsys.readouterr().out
    checks = json.loads(json.dumps(raised.value.facts))["checks"]
    assert [found["check"] for found in checks if found["state"] == WRONG] == ["data"]


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Authority]:
    """A GitHub Actions job, with GitHub and Entra on loopback."""
    with authority(tmp_path) as there:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", there.ca)
        for name, value in there.variables().items():
            monkeypatch.setenv(name, value)
        yield there


def test_a_job_that_is_let_in(job: Authority, checkout: House) -> None:
    """It is said whom the job speaks for."""
    project = Project({**checkout.settings(), **AZURE}, checkout.root)
    found = doctor.sign_in(project, lambda: signin.credential(**job.options()))
    assert (found.state, found.seen) == (OK, f"as {SUBJECT}")


def test_a_job_without_a_federated_credential(job: Authority, checkout: House) -> None:
    """The command that makes it has the very subject that GitHub put into the assertion."""
    job.federated = "repo:someone/else:environment:production"
    project = Project({**checkout.settings(), **AZURE}, checkout.root)
    found = doctor.sign_in(project, lambda: signin.credential(**job.options()))
    assert (found.state, found.seen) == (WRONG, f"no federated credential for {SUBJECT}")
    assert found.mend.startswith("az identity federated-credential create")
    assert f"--subject '{SUBJECT}'" in found.mend


def test_a_job_without_the_permission(job: Authority, checkout: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line that the workflow lacks."""
    monkeypatch.delenv("ACTIONS_ID_TOKEN_REQUEST_URL")
    found = doctor.sign_in(Project({**checkout.settings(), **AZURE}, checkout.root))
    assert found.state == WRONG
    assert "permissions: id-token: write" in found.seen


class Region:
    """Azure's answers about a region, through the real SDK."""

    def __init__(self) -> None:
        """Sixteen cores, none in use."""
        self.used, self.limit, self.offered = 0, 16, "Standard_DS3_v2"

    def answer(self, asked: Asked) -> tuple[int, Any]:
        """Answer for the workspace, the sizes and the usage."""
        path = asked.path.split("?")[0]
        if path.endswith("/vmSizes"):
            size = {"name": self.offered, "family": "standardDSv2Family", "vCPUs": 4, "memoryGB": 14.0}
            return 200, {"value": [{**size, "supportedComputeTypes": ["AmlCompute"]}]}
        if path.endswith("/usages"):
            family = {"value": "standardDSv2Family", "localizedValue": "Standard DSv2"}
            return 200, {"value": [{"name": family, "currentValue": self.used, "limit": self.limit, "unit": "Count"}]}
        return 200, {"name": "ws", "location": "westeurope", "properties": {}}


@pytest.fixture
def region(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Region, Any]]:
    """A region, and a client whose workspace is in it."""
    from azure.ai.ml import MLClient
    from azure.core.credentials import AccessToken

    there = Region()
    credential = SimpleNamespace(get_token=lambda *scopes, **options: AccessToken("token", int(time.time()) + 3600))
    with serve(there.answer, tmp_path) as server:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", server.ca)
        names = ("azure_portal", "resource_manager", "active_directory", "aml_resource_id", "storage_endpoint")
        metadata = dict.fromkeys((*names, "registry_discovery_endpoint"), server.url)
        yield (
            there,
            MLClient(
                credential, AZURE["subscription"], "rg", "ws", cloud=f"region-{server.url}", cloud_metadata=metadata
            ),
        )


@pytest.mark.parametrize(("used", "missing"), [(0, 0), (1, 1), (16, 16)])
def test_quota_is_read_and_reckoned(region: tuple[Region, Any], used: int, missing: int) -> None:
    """Two colours of one four-core machine need sixteen cores."""
    there, client = region
    there.used = used
    size, usage = quota.read(client, "Standard_DS3_v2")
    assert size == quota.Size("Standard_DS3_v2", "standardDSv2Family", 4)
    assert usage == quota.Usage(used, 16)
    assert quota.short(size, 1, usage, 0) == missing


def test_a_size_that_is_not_offered(region: tuple[Region, Any]) -> None:
    """Neither size nor usage."""
    there, client = region
    there.offered = "Standard_F4s_v2"
    assert quota.read(client, "Standard_DS3_v2") == (None, None)
