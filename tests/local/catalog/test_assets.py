"""Models, data, environments and code through the real SDK: versions, latest, immutability, archives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import requests
from azure.ai.ml.entities import BuildContext, Data, Environment, Model
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError

from local import launch

CONDA = {"name": "x", "channels": ["conda-forge"], "dependencies": ["python=3.11"]}


@pytest.fixture
def folder_of(tmp_path: Path) -> Any:
    def make(name: str, text: str = "1") -> str:
        path = tmp_path / name
        path.mkdir(exist_ok=True)
        (path / "file.txt").write_text(text)
        return str(path)

    return make


def test_row_9_versions_count_up_past_nine(ml_client: Any, folder_of: Any) -> None:
    """The version after 9 is 10, and latest is the one made last."""
    path = folder_of("m")
    made = [ml_client.models.create_or_update(Model(name="count", path=path)).version for _ in range(10)]
    assert made == [str(number) for number in range(1, 11)]
    assert ml_client.models.get("count", label="latest").version == "10"
    assert [each.version for each in ml_client.models.list(name="count")][:2] == ["10", "9"]


def test_a_name_of_other_letters_is_refused(ml_client: Any, folder_of: Any) -> None:
    """As the service does, which takes a to z: 400, and no fault of the server."""
    with pytest.raises(HttpResponseError, match="a name holds letters a to z") as refused:
        ml_client.models.create_or_update(Model(name="\N{GREEK SMALL LETTER MU}", version="1", path=folder_of("m")))
    assert refused.value.status_code == 400


def test_a_version_keeps_its_content(ml_client: Any, folder_of: Any) -> None:
    """Another path under the same version is a conflict; tags and description may change."""
    model = ml_client.models.create_or_update(Model(name="fixed", version="1", path=folder_of("a", "a")))
    with pytest.raises((ResourceExistsError, HttpResponseError), match="already exists"):
        ml_client.models.create_or_update(Model(name="fixed", version="1", path=folder_of("b", "b")))
    path = ml_client.models.get("fixed", "1").path
    model.tags = {"stage": "prod"}
    model.description = "said later"
    ml_client.models.create_or_update(model)
    after = ml_client.models.get("fixed", "1")
    assert (after.tags, after.description, after.path) == ({"stage": "prod"}, "said later", path)


def test_an_mlflow_model_shows_its_flavors(ml_client: Any, folder_of: Any) -> None:
    """As the service reads them from its MLmodel; one whose file says nothing usable has none."""
    path = Path(folder_of("flow"))
    said = "flavors:\n  sklearn:\n    sklearn_version: 1.6.1\n    code: null\n  python_function:\n    env: {conda: c}\n"
    for text, shown in ((said, {"sklearn": {"sklearn_version": "1.6.1"}, "python_function": {}}), ("a: [", {})):
        (path / "MLmodel").write_text(text)
        made = ml_client.models.create_or_update(Model(name="flow", path=str(path), type="mlflow_model"))
        assert (ml_client.models.get("flow", made.version).flavors or {}) == shown


def test_absence_is_a_404(ml_client: Any) -> None:
    """What was never made is not found, by version and by name."""
    with pytest.raises(ResourceNotFoundError):
        ml_client.models.get("never-made", "1")


def test_an_archived_version_is_out_of_the_list(ml_client: Any, folder_of: Any) -> None:
    """Archiving a version takes it out of the list and of latest; restoring brings it back."""
    path = folder_of("m")
    for _ in range(2):
        ml_client.models.create_or_update(Model(name="shelf", path=path))
    ml_client.models.archive("shelf", "2")
    assert [each.version for each in ml_client.models.list(name="shelf")] == ["1"]
    assert ml_client.models.get("shelf", "2").version == "2"
    ml_client.models.restore("shelf", "2")
    assert [each.version for each in ml_client.models.list(name="shelf")] == ["2", "1"]


def test_a_long_list_comes_in_pages(ml_client: Any, workspace: Any, folder_of: Any) -> None:
    """More models than a page holds are all listed, once each."""
    first = ml_client.models.create_or_update(Model(name="paged-0", path=folder_of("m")))
    base = f"{workspace.arm}{first.id.split('/models/')[0]}/models"
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {workspace.token()}"
        for number in range(1, 105):
            body = {"properties": {"modelUri": first.path}}
            session.put(f"{base}/paged-{number}/versions/1", json=body, timeout=30).raise_for_status()
    names = [each.name for each in ml_client.models.list() if each.name.startswith("paged-")]
    assert len(names) == len(set(names)) == 105


def test_a_model_downloads_as_it_was(ml_client: Any, folder_of: Any, tmp_path: Path) -> None:
    """The files of a model come back with the same bytes."""
    ml_client.models.create_or_update(Model(name="bytes", version="1", path=folder_of("weights", "w" * 5000)))
    ml_client.models.download("bytes", "1", download_path=str(tmp_path / "got"))
    assert (tmp_path / "got" / "bytes" / "weights" / "file.txt").read_text() == "w" * 5000


@pytest.mark.slow
def test_a_file_in_blocks_arrives_whole(ml_client: Any, tmp_path: Path) -> None:
    """A file so large that it goes up in blocks comes down the same."""
    big = tmp_path / "big.bin"
    big.write_bytes(bytes(range(256)) * (257 * 1024))
    data = ml_client.data.create_or_update(Data(name="big", path=str(big), type="uri_file"))
    ml_client.models.create_or_update(Model(name="big", version="1", path=data.path))
    ml_client.models.download("big", "1", download_path=str(tmp_path / "got"))
    got = next(each for each in (tmp_path / "got").rglob("big.bin") if each.is_file())
    assert got.read_bytes() == big.read_bytes()


def test_an_environment_is_reused_until_it_changes(ml_client: Any) -> None:
    """The same environment without a version is the same version; another one is the next."""
    first = ml_client.environments.create_or_update(Environment(name="env", image="a", conda_file=CONDA))
    again = ml_client.environments.create_or_update(Environment(name="env", image="a", conda_file=CONDA))
    other = ml_client.environments.create_or_update(Environment(name="env", image="b", conda_file=CONDA))
    assert (first.version, again.version, other.version) == ("1", "1", "2")


@pytest.mark.parametrize(("kind", "end"), [("uri_folder", "d/"), ("uri_file", "file.txt"), ("mltable", "d/")])
def test_data_of_all_types_resolves_to_the_datastore(ml_client: Any, folder_of: Any, kind: str, end: str) -> None:
    """Registered data says where it lies in the long form, and latest finds it."""
    path = Path(folder_of("d"))
    (path / "MLTable").write_text("paths:\n  - file: ./file.txt\ntransformations:\n  - read_delimited:\n")
    given = str(path / "file.txt") if kind == "uri_file" else str(path)
    data = ml_client.data.create_or_update(Data(name=f"flights-{kind}", path=given, type=kind))
    assert "/datastores/workspaceblobstore/paths/" in data.path
    assert data.path.endswith(end)
    found = ml_client.data.get(f"flights-{kind}", label="latest")
    assert (found.version, found.type, found.path) == ("1", kind, data.path)


def test_a_list_holds_what_was_asked_for(ml_client: Any, workspace: launch.Connection, folder_of: Any) -> None:
    """Versions by stage, by tag and by property; the ones that do not fit are no part of any page."""
    path = folder_of("m")
    for stage, tags in (("Production", {"a": "1"}), ("Archived", {"a": "2", "b": ""}), ("Production", {})):
        ml_client.models.create_or_update(
            Model(name="sifted", path=path, stage=stage, tags=tags, properties={"p": stage})
        )
    assert [each.version for each in ml_client.models.list(name="sifted", stage="Production")] == ["3", "1"]
    ask = requests.Session()
    ask.headers["Authorization"] = f"Bearer {workspace.token()}"
    base = f"{workspace.arm}{ml_client.models.get('sifted', '1').id.rpartition('/versions/')[0]}/versions"

    def found(**query: str) -> list[str]:
        answer = ask.get(base, params=query | {"api-version": "2023-08-01-preview"}, timeout=30)
        return [each["name"] for each in answer.json()["value"]]

    assert found(tags="a") == ["2", "1"]
    assert found(tags="a=2,b") == ["2"]
    assert found(properties="p=Production", tags="a") == ["1"]
    assert found(version="2") == ["2"]
    assert found(stage="Staging") == []


def test_a_build_context_is_the_same_wherever_it_was_uploaded(workspace: launch.Connection, ml_client: Any) -> None:
    """Its files make it: the first upload of them stays, and others are a conflict."""
    store = ml_client.datastores.get("workspaceblobstore", include_secrets=True)
    base = f"{workspace.arm}/blob/acct/{store.container_name}"
    for place, text in (("one", "FROM a"), ("two", "FROM a"), ("three", "FROM b")):
        requests.put(
            f"{base}/contexts/{place}/Dockerfile?{store.credentials.sas_token}",
            data=text,
            headers={"x-ms-blob-type": "BlockBlob"},
            timeout=30,
        ).raise_for_status()

    def put(place: str) -> Environment:
        build = BuildContext(path=f"{base}/contexts/{place}/", dockerfile_path="Dockerfile")
        return ml_client.environments.create_or_update(Environment(name="built", version="1", build=build))

    assert put("one").build.path == put("two").build.path == f"{base}/contexts/one/"
    with pytest.raises(HttpResponseError, match="differs in build"):
        put("three")


def test_an_environment_comes_from_a_file_as_from_the_script(ml_client: Any, tmp_path: Path) -> None:
    """A conda file and the same words in the script are the same content."""
    (tmp_path / "conda.yml").write_text("name: x\nchannels: [conda-forge]\ndependencies: [python=3.11]\n")
    by_file = Environment(name="by-file", version="1", image="a", conda_file=str(tmp_path / "conda.yml"))
    ml_client.environments.create_or_update(by_file)
    again = ml_client.environments.create_or_update(
        Environment(name="by-file", version="1", image="a", conda_file=CONDA)
    )
    assert again.conda_file == CONDA


def test_a_path_outside_the_workspace_is_refused(ml_client: Any) -> None:
    """A model on a foreign address or of an unknown job is refused with the reason."""
    with pytest.raises(HttpResponseError, match=r"of no known form|not in this workspace"):
        ml_client.models.create_or_update(Model(name="far", version="1", path="https://example.com/model"))
    with pytest.raises(HttpResponseError, match="Job with name none not found"):
        ml_client.models.create_or_update(Model(name="far", version="1", path="azureml://jobs/none/outputs/x"))


def test_the_same_unnamed_model_twice_is_one(workspace: launch.Connection) -> None:
    """What a deployment brings along is named by its content: the first upload of it stays the one that counts."""
    base = f"/subscriptions/{workspace.subscription_id}/resourceGroups/{workspace.resource_group}/providers"
    address = f"{workspace.arm}{base}/Microsoft.MachineLearningServices/workspaces/{workspace.workspace_name}"
    answers = [
        requests.put(
            f"{address}/models/b86a10ba/versions/1",
            json={"properties": {"modelUri": f"azureml://datastores/workspaceblobstore/paths/{place}/m", **more}},
            headers={"Authorization": f"Bearer {workspace.token()}"},
            verify=workspace.ca_bundle,
            timeout=10,
        )
        for place, more in (("one", {"isAnonymous": True}), ("two", {"isAnonymous": True}), ("three", {}))
    ]
    assert [answer.status_code for answer in answers] == [201, 200, 409]
    assert answers[1].json()["properties"]["modelUri"] == answers[0].json()["properties"]["modelUri"]


def test_a_compute_is_made_and_deleted(ml_client: Any) -> None:
    """A cluster is a name more for this machine; those that were there cannot be deleted."""
    from azure.ai.ml.entities import AmlCompute
    from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

    made = ml_client.compute.begin_create_or_update(AmlCompute(name="mine", size="STANDARD_DS3_V2", max_instances=4))
    assert made.result().size == "STANDARD_DS3_V2"
    assert "mine" in {each.name for each in ml_client.compute.list()}
    ml_client.compute.begin_delete("mine").result()
    with pytest.raises(ResourceNotFoundError):
        ml_client.compute.get("mine")
    with pytest.raises(HttpResponseError, match="cannot be deleted"):
        ml_client.compute.begin_delete("cpu-cluster").result()
