"""The certificate of the control plane, and the authority by which clients know it."""

from __future__ import annotations

import ssl
from pathlib import Path

import certifi
import trustme

from local.folder import write_private


def make_certificate(folder: Path) -> tuple[Path, Path, Path]:
    """Return the server's certificate, the authority that vouches for it, and a bundle.

    They are made once for a folder, and all anew when one of them is gone or damaged. The authority's own key is not
    kept, so nobody can make another certificate that it vouches for. The bundle has certifi's authorities too: for a
    process that calls others as well, as REQUESTS_CA_BUNDLE replaces them. Its 150 certificates are read anew for each
    connection, which takes 28 ms.
    """
    tls = folder / "tls"
    certificate, authority, bundle = (tls / name for name in ("server.pem", "authority.pem", "ca-bundle.pem"))
    if not _are_whole(certificate, authority, bundle):
        tls.mkdir(mode=0o700, exist_ok=True)
        # Written last and gone first: an end in between leaves no new certificate beside an old authority.
        authority.unlink(missing_ok=True)
        made = trustme.CA(organization_name="azureml-bluegreen local workspace")
        issued = made.issue_cert("127.0.0.1", "localhost")
        chain = b"".join(blob.bytes() for blob in issued.cert_chain_pems)
        write_private(certificate, issued.private_key_pem.bytes() + chain)
        write_private(bundle, made.cert_pem.bytes() + Path(certifi.where()).read_bytes())
        write_private(authority, made.cert_pem.bytes())
    return certificate, authority, bundle


def _are_whole(certificate: Path, *authorities: Path) -> bool:
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(certificate)
        for each in authorities:
            ssl.create_default_context(cafile=each)
    except OSError:
        # An SSLError is one too.
        return False
    return True
