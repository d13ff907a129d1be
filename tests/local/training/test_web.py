"""Inputs of a job that lie on the web: fetched when the job names them, within bounds."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from azure.ai.ml import Input
from azure.ai.ml.entities import Data
from azure.core.exceptions import HttpResponseError
from loopback import serving

from local.catalog.locations import Locator
from local.errors import LocalError
from local.storage.store import Store
from local.training import web
from local.wire.place import Place

from .test_jobs import details, ended, submit

__all__ = ["ended", "submit"]


class Pages(BaseHTTPRequestHandler):
    """A few pages, and what was asked for."""

    seen: dict[str, str]
    over = threading.Event()

    def do_GET(self) -> None:
        self.seen[self.path] = str(self.headers)
        if self.path.startswith("/moved"):
            self.send_response(302)
            self.send_header("Location", "/data/iris.csv" if self.path == "/moved" else "file:///etc/hostname")
            self.end_headers()
        elif self.path.startswith("/data/iris.csv"):
            self._send(b"a,b\n1,2\n")
        elif self.path == "/broken":
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"a,b\n1,2\n")
        elif self.path == "/slow":
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"x")
            self.wfile.flush()
            self.over.wait(60)
        else:
            self.send_error(404)

    def _send(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words: object) -> None:
        return


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    """A web server on loopback; returns its address."""
    Pages.seen = {}
    server = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    with serving(server):
        yield f"http://127.0.0.1:{server.server_port}"
        Pages.over.set()


def test_a_job_reads_a_file_of_the_web(ml_client: Any, submit: Any, ended: Any, site: str) -> None:
    """Its input is a path to a copy under the file's own name; the workspace's token is not sent with the question."""
    given = {"iris_csv": Input(type="uri_file", path=f"{site}/data/iris.csv?version=1")}
    job = ended(submit('test "$(tail -n 1 ${{inputs.iris_csv}})" = 1,2 && basename ${{inputs.iris_csv}}', inputs=given))
    assert job.status == "Completed"
    assert "authorization" not in Pages.seen["/data/iris.csv?version=1"].lower()


def test_a_data_asset_of_the_web_is_read(ml_client: Any, submit: Any, ended: Any, site: str) -> None:
    """Registering it fetches nothing; the job that names it does."""
    kept = ml_client.data.create_or_update(Data(name="far", type="uri_file", path=f"{site}/data/iris.csv?by=asset"))
    assert "/data/iris.csv?by=asset" not in Pages.seen
    given = {"far": Input(type="uri_file", path=f"azureml:{kept.name}:{kept.version}")}
    assert ended(submit("grep 1,2 ${{inputs.far}}", inputs=given)).status == "Completed"
    assert "/data/iris.csv?by=asset" in Pages.seen


def test_what_is_not_there_fails_the_job(ml_client: Any, submit: Any, ended: Any, site: str) -> None:
    """And its error names the address and what the server said."""
    job = ended(submit("true", inputs={"gone": Input(type="uri_file", path=f"{site}/gone")}))
    assert job.status == "Failed"
    assert f"{site}/gone cannot be read: HTTP Error 404" in details(ml_client, job).error.error.message


def test_a_stump_is_not_taken_for_the_file(tmp_path: Path, site: str) -> None:
    """The server said how long it is, and closed before that."""
    with pytest.raises(LocalError, match=f"{site}/broken broke off 992 bytes before its end"):
        web.fetch(f"{site}/broken", tmp_path / "f", lambda: False)


def test_a_folder_of_the_web_is_refused(submit: Any, site: str) -> None:
    """When the job is submitted: the web has no folders."""
    with pytest.raises(HttpResponseError, match="its type is uri_file, not uri_folder"):
        submit("true", inputs={"all": Input(type="uri_folder", path=f"{site}/data/")})


def test_a_public_blob_is_an_address_of_the_web() -> None:
    """As wasbs:// it is the same file of the same account as with https://."""
    locator = Locator(Place("https://127.0.0.1:1", "http://127.0.0.1:2"), Store(Path(":memory:")))
    found = locator.web_address("wasbs://datasets@account.blob.core.windows.net/deep/iris.csv")
    assert found == "https://account.blob.core.windows.net/datasets/deep/iris.csv"
    assert locator.web_address("https://127.0.0.1:1/blob/acct/ours/x") is None


def test_it_is_bounded(site: str, tmp_path: Path) -> None:
    """In bytes, in time, and by the cancel of the job; nothing but http and https is followed."""
    target = tmp_path / "got"
    web.fetch(f"{site}/moved", target, lambda: False)
    assert target.read_bytes() == b"a,b\n1,2\n"
    with pytest.raises(LocalError, match="is bigger than"):
        web.fetch(f"{site}/data/iris.csv", target, lambda: False, most_bytes=4)
    with pytest.raises(LocalError, match=r"cannot be read: timed out|did not arrive in"):
        web.fetch(f"{site}/slow", target, lambda: False, most_seconds=0.2)
    with pytest.raises(LocalError, match="cannot be read"):
        web.fetch(f"{site}/moved/file", target, lambda: False)
    web.fetch(f"{site}/slow", target, lambda: True)
