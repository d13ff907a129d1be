"""The certificate of the control plane: made once, and anew when it is of no use any more."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from local.certificate import make_certificate

NAMES = ("server.pem", "authority.pem", "ca-bundle.pem")


def agree(certificate: Path, authority: Path) -> bool:
    """Say whether a client that knows the authority takes the server's certificate."""
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    serving.load_cert_chain(certificate)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = serving.wrap_bio(to_server, to_client, server_side=True)
    client = ssl.create_default_context(cafile=str(authority)).wrap_bio(
        to_client, to_server, server_hostname="127.0.0.1"
    )
    for each in (client, server, client):
        try:
            each.do_handshake()
        except ssl.SSLWantReadError:
            continue
        except ssl.SSLError:
            return False
    return True


def test_it_is_made_once(tmp_path: Path) -> None:
    """The next start finds it: clients that know the authority go on."""
    first = [path.read_bytes() for path in make_certificate(tmp_path)]
    assert [path.read_bytes() for path in make_certificate(tmp_path)] == first


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("left", [None, 0, 100])
def test_what_is_damaged_is_made_anew(tmp_path: Path, name: str, left: int | None) -> None:
    """Gone, emptied or cut short: then all three are others, and belong together."""
    before = {path.name: path.read_bytes() for path in make_certificate(tmp_path)}
    damaged = tmp_path / "tls" / name
    if left is None:
        damaged.unlink()
    else:
        damaged.write_bytes(before[name][:left])
    certificate, authority, bundle = make_certificate(tmp_path)
    assert all(path.read_bytes() != before[path.name] for path in (certificate, authority, bundle))
    assert agree(certificate, authority)
    assert agree(certificate, bundle)


def test_an_end_in_the_midst_is_made_up_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed between two of the files, the next start makes all anew, also where the old ones are whole."""
    make_certificate(tmp_path)
    (tmp_path / "tls" / "server.pem").write_bytes(b"")
    from local.folder import write_private

    def write(path: Path, data: bytes) -> None:
        if path.name == "ca-bundle.pem":
            raise KeyboardInterrupt
        write_private(path, data)

    with monkeypatch.context() as patched:
        patched.setattr("local.certificate.write_private", write)
        with pytest.raises(KeyboardInterrupt):
            make_certificate(tmp_path)
    certificate, authority, _ = make_certificate(tmp_path)
    assert agree(certificate, authority)
