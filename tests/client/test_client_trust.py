"""Certificates are checked wherever there may be TLS; authorities are read nowhere else."""

from __future__ import annotations

import ssl

import pytest

from serai.client.transport import make_trust


@pytest.mark.parametrize(
    ("url", "has_authorities"),
    [
        ("http://127.0.0.1:8080", False),
        ("http://localhost:8080/x", False),
        ("http://[::1]:8080", False),
        ("https://127.0.0.1:8080", True),
        ("https://localhost", True),
        ("http://server.example:8080", True),  # a proxy of the environment may speak TLS
        ("https://server.example", True),
        ("", True),
    ],
)
def test_who_vouches_for_a_server(url: str, has_authorities: bool) -> None:
    trust = make_trust(url)
    if has_authorities:
        assert trust is True
    else:
        assert isinstance(trust, ssl.SSLContext)
        assert trust.verify_mode is ssl.CERT_REQUIRED and trust.check_hostname
        assert trust.get_ca_certs() == [], "it trusts nobody"
