"""A certificate authority of the tests' own, and callers that trust nobody else."""

from __future__ import annotations

import ssl
from pathlib import Path

import trustme

from serai.gateway.certificate import Certificate, CertificateFiles, load_certificate


class Authority:
    """Issues certificates into a folder; `context` trusts them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._authority = trustme.CA()
        self.context = ssl.create_default_context()
        self._authority.configure_trust(self.context)

    def issue(self, name: str, *more: str) -> CertificateFiles:
        """Write a certificate for 127.0.0.1 and `more` names to `<name>.crt` and its key to `<name>.key`."""
        issued = self._authority.issue_cert("127.0.0.1", *more)
        files = CertificateFiles(self._folder / f"{name}.crt", self._folder / f"{name}.key")
        files.cert.write_bytes(b"".join(pem.bytes() for pem in issued.cert_chain_pems))
        assert files.key is not None
        files.key.write_bytes(issued.private_key_pem.bytes())
        return files

    def load(self, name: str, *more: str) -> Certificate:
        return load_certificate(self.issue(name, *more))
