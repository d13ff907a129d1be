"""The blob protocol at its edges: names, ranges, block lists and metadata that are not as they should be."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import requests
from azure.storage.blob import ContainerClient

from local import launch

BLOCK = {"x-ms-blob-type": "BlockBlob"}
BOMB = '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE l [<!ENTITY a "xx">]><BlockList>&a;</BlockList>'


class Container:
    """Raw calls about one container, with its signature."""

    def __init__(self, connection: launch.Connection, client: Any) -> None:
        store = client.datastores.get("workspaceblobstore", include_secrets=True)
        self.url = f"{connection.arm}/blob/acct/{store.container_name}"
        self.signature = store.credentials.sas_token
        self.session = requests.Session()
        self.session.verify = connection.ca_bundle

    def call(self, method: str, name: str, query: str = "", **more: Any) -> requests.Response:
        request = requests.Request(method, "https://x/", **more).prepare()
        # As it is: requests would spell the address its own way.
        request.url = f"{self.url}/{name}?{query}{self.signature}"
        return self.session.send(request, timeout=30, verify=self.session.verify)


@pytest.fixture
def container(workspace: launch.Connection, ml_client: Any) -> Container:
    return Container(workspace, ml_client)


@pytest.mark.parametrize("name", ["a\x01b", "a\ufffeb", "a&<b>", "a%2Fb", "é ü", "a+b"])
def test_any_name_is_listed_as_it_is(container: Container, name: str) -> None:
    """Also one that XML cannot say: the list stays readable, and its next page is found."""
    for each in (f"odd/{name}", f"odd/{name}/z"):
        assert container.call("PUT", quote(each), data=b"1", headers=BLOCK).status_code == 201
    reader = ContainerClient.from_container_url(
        f"{container.url}?{container.signature}", connection_verify=container.session.verify
    )
    pages = reader.list_blobs(name_starts_with="odd/", results_per_page=1)
    assert [each.name for each in pages] == [f"odd/{name}", f"odd/{name}/z"]
    for each in (f"odd/{name}", f"odd/{name}/z"):
        assert container.call("DELETE", quote(each)).status_code == 202


@pytest.mark.parametrize(
    ("wanted", "status"),
    [("bytes=0-0", 206), ("bytes=2-", 206), ("bytes=9-", 416), ("bytes=2-1", 400), ("bytes=-1", 400),
     ("bytes=0-1,2-3", 400), ("x", 400), (f"bytes={'9' * 5000}-", 400), (f"bytes=0-{'9' * 18}", 206)],
)  # fmt: skip
def test_a_range_is_answered_or_refused(container: Container, wanted: str, status: int) -> None:
    """Never with a length that is none."""
    container.call("PUT", "ranged", data=b"123", headers=BLOCK)
    assert container.call("GET", "ranged", headers={"x-ms-range": wanted}).status_code == status


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<",
        b"<!DOCTYPE x><BlockList/>",
        BOMB.encode("utf-16"),
        b"<BlockList><Latest>bm9uZQ==</Latest></BlockList>",
    ],
)
def test_a_block_list_that_is_none_is_refused(container: Container, body: bytes) -> None:
    """Entities in any encoding, words that are not XML, blocks that were not sent."""
    assert container.call("PUT", "listed", "comp=blocklist&", data=body).status_code == 400
    assert container.call("GET", "listed").status_code == 404


def listed(*blocks: bytes) -> bytes:
    names = b"".join(b"<Latest>" + base64.b64encode(each) + b"</Latest>" for each in blocks)
    return b"<BlockList>" + names + b"</BlockList>"


def send(container: Container, name: str, **blocks: bytes) -> requests.Response:
    """Send blocks and their list."""
    for key, data in blocks.items():
        block = quote(base64.b64encode(key.encode()))
        assert container.call("PUT", name, f"comp=block&blockid={block}&", data=data).status_code == 201
    return container.call("PUT", name, "comp=blocklist&", data=listed(*(key.encode() for key in blocks)))


def test_a_block_list_may_be_sent_once_more(container: Container) -> None:
    """When its answer was lost; another list, or one of a blob that was written since, is refused."""
    first = send(container, "again", a=b"1", b=b"2")
    second = container.call("PUT", "again", "comp=blocklist&", data=listed(b"a", b"b"))
    assert (second.status_code, second.headers["etag"]) == (201, first.headers["etag"])
    assert container.call("GET", "again").content == b"12"
    assert container.call("PUT", "again", "comp=blocklist&", data=listed(b"b", b"a")).status_code == 400
    assert send(container, "again", a=b"3", b=b"4").headers["etag"] != first.headers["etag"]
    assert container.call("GET", "again").content == b"34"
    container.call("PUT", "again", data=b"5", headers=BLOCK)
    assert container.call("PUT", "again", "comp=blocklist&", data=listed(b"a", b"b")).status_code == 400
    assert container.call("DELETE", "again").status_code == 202
    assert container.call("PUT", "again", "comp=blocklist&", data=listed(b"a", b"b")).status_code == 400


def test_a_block_is_whole_or_as_it_was(container: Container) -> None:
    """One that arrives damaged takes nothing from the one that stands."""
    where = f"comp=block&blockid={quote(base64.b64encode(b'a'))}&"
    assert container.call("PUT", "mended", where, data=b"good").status_code == 201
    damaged = {"Content-MD5": base64.b64encode(b"0" * 16).decode()}
    assert container.call("PUT", "mended", where, data=b"bad", headers=damaged).status_code == 400
    assert container.call("PUT", "mended", "comp=blocklist&", data=listed(b"a")).status_code == 201
    assert container.call("GET", "mended").content == b"good"


def test_a_refused_blob_leaves_no_bytes(workspace: launch.Connection, container: Container) -> None:
    """Its metadata are looked at when its bytes are there already."""
    folder = Path(workspace.folder) / "blobs"
    before = set(folder.iterdir())
    wrong = {"x-ms-meta-1a": "v"}
    assert container.call("PUT", "left", data=b"1", headers=BLOCK | wrong).status_code == 400
    block = f"comp=block&blockid={quote(base64.b64encode(b'a'))}&"
    assert container.call("PUT", "left", block, data=b"1").status_code == 201
    assert container.call("PUT", "left", "comp=blocklist&", data=listed(b"a"), headers=wrong).status_code == 400
    assert set(folder.iterdir()) == before


@pytest.mark.parametrize(("key", "status"), [("a_1", 201), ("a&b", 400), ("1a", 400), ("a-b", 400)])
def test_metadata_has_the_names_of_identifiers(container: Container, key: str, status: int) -> None:
    """As with the service; they are elements of a list's answer."""
    answer = container.call("PUT", "described", data=b"1", headers=BLOCK | {f"x-ms-meta-{key}": "v"})
    assert answer.status_code == status


@pytest.mark.parametrize("most", ["0", "-1", "x", "9" * 5000])
def test_a_page_without_a_size_is_refused(container: Container, most: str) -> None:
    """It is a number from 1 on."""
    assert container.call("GET", "", f"restype=container&comp=list&maxresults={most}&").status_code == 400


def test_a_damaged_blob_is_refused_until_it_is_written_anew(workspace: launch.Connection, container: Container) -> None:
    """Its bytes are not given out; it, and what was uploaded with it, looks like an upload that was never confirmed."""
    done = {"x-ms-meta-upload_status": "completed"}
    folder = Path(workspace.folder) / "blobs"
    assert container.call("PUT", "LocalUpload/h/d/a", data=b"whole", headers=BLOCK | done).status_code == 201
    before = set(folder.iterdir())
    assert container.call("PUT", "LocalUpload/h/d/e/b", data=b"right", headers=BLOCK).status_code == 201
    assert "x-ms-meta-upload_status" in container.call("HEAD", "LocalUpload/h/d/a").headers
    [file] = set(folder.iterdir()) - before
    file.write_bytes(b"")
    refused = container.call("GET", "LocalUpload/h/d/e/b")
    assert (refused.status_code, refused.headers["x-ms-error-code"]) == (409, "BlobDamaged")
    assert "LocalUpload/h/d/e/b" in refused.text
    found = container.call("HEAD", "LocalUpload/h/d/a")
    assert found.status_code == 200
    assert "x-ms-meta-upload_status" not in found.headers
    once = BLOCK | {"If-None-Match": "*"}
    assert container.call("PUT", "LocalUpload/h/d/e/b", data=b"right", headers=once).status_code == 201
    assert container.call("PUT", "LocalUpload/h/d/e/b", data=b"other", headers=once).status_code == 409
    assert container.call("GET", "LocalUpload/h/d/e/b").content == b"right"
    assert "x-ms-meta-upload_status" in container.call("HEAD", "LocalUpload/h/d/a").headers
