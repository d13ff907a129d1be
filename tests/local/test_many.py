"""Ten thousand jobs and a thousand versions: nothing is missed, and nothing is searched for row by row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import requests

from local import launch
from local.storage.store import Store

JOBS, VERSIONS = 10_000, 1_000
JOB = {"jobType": "Command", "command": "true", "environmentId": "azureml:AzureML-x:1"}
MODEL = {"modelUri": "azureml://datastores/workspaceblobstore/paths/x", "modelType": "custom_model"}


@pytest.fixture(autouse=True)
def tape() -> None:
    """Nothing is recorded: to check the form of ten thousand jobs takes 25 s, and other tests check lists of a few."""


@pytest.fixture
def full(folder: Path) -> launch.Connection:
    """A workspace that has them all."""
    folder.mkdir(mode=0o700)
    store = Store(folder / "state.sqlite")
    with store.transaction():
        for index in range(JOBS):
            store.put("jobs", f"job{index}", {"properties": JOB, "status": "Completed"}, mark="Completed")
        store.put("models.container", "m", {"properties": {}})
        for version in range(1, VERSIONS + 1):
            tags = {"job": f"job{version}"}
            store.put("models", "m", {"properties": MODEL | {"tags": tags}}, version=str(version))
    store.close()
    return launch.ensure(folder)


@pytest.mark.slow
def test_all_are_listed_once_and_the_newest_is_found(full: launch.Connection) -> None:
    """Page by page, newest first; the latest version is the last one made, and a tag finds its version."""
    session = requests.Session()
    session.trust_env = False
    session.verify = full.ca_bundle
    session.headers["Authorization"] = f"Bearer {full.token()}"
    group = f"{full.arm}/subscriptions/{full.subscription_id}/resourceGroups/{full.resource_group}"
    base = f"{group}/providers/Microsoft.MachineLearningServices/workspaces/{full.workspace_name}"

    def get(url: str) -> Any:
        answer = session.get(url, timeout=30)
        assert answer.status_code == 200, answer.text
        return answer.json()

    names, url = [], f"{base}/jobs?listViewType=ActiveOnly"
    while url:
        page = get(url)
        names += [each["name"] for each in page["value"]]
        url = page.get("nextLink")
    assert names == [f"job{index}" for index in reversed(range(JOBS))]
    assert get(f"{base}/jobs/job0")["name"] == "job0"
    assert get(f"{base}/models/m")["properties"]["nextVersion"] == str(VERSIONS + 1)
    [newest] = get(f"{base}/models/m/versions?$orderBy=createdtime desc&$top=1")["value"]
    assert newest["name"] == str(VERSIONS)
    assert [each["name"] for each in get(f"{base}/models/m/versions?tags=job=job77")["value"]] == ["77"]


def test_every_read_of_the_store_goes_by_an_index(tmp_path: Path) -> None:
    """SQLite says how it finds the rows: it never walks the table, and never sorts what it found."""
    store = Store(tmp_path / "state.sqlite")
    asked: list[str] = []
    store.db.set_trace_callback(asked.append)
    store.get("jobs", "j")
    for more in ({}, {"name": "j"}, {"mark": "Queued"}, {"archived": False}, {"after": 5, "newest_first": False}):
        store.find("jobs", **more)  # type: ignore[arg-type]
    store.count("jobs", "Queued")
    store.find_marked("jobs", "busy ")
    store.greatest_number("models", "m")
    store.db.set_trace_callback(None)
    reads = [line for line in asked if line.startswith("SELECT")]
    assert len(reads) == 9
    for read in reads:
        plan = " ".join(str(row[3]) for row in store.db.execute(f"EXPLAIN QUERY PLAN {read}"))
        assert "SEARCH documents USING" in plan, (read, plan)
        if "mark>=" not in read:
            assert "TEMP B-TREE" not in plan, (read, plan)
    store.close()
