"""What `serai doctor` says of the gateway's TLS certificate."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from serai.domain.errors import Invalid

from .checks import Check

SOON = timedelta(days=14)
_WAY_OUT = "replace the files; gateways take them up by themselves"


def check_certificate() -> Iterator[Check]:
    """Yield the check of the configured certificate; nothing where none is configured here."""
    from serai.config import load_configuration
    from serai.gateway.certificate import CertificateFiles, load_certificate

    try:
        configuration = load_configuration(None, os.environ)
        if not configuration.gateway_tls_cert:
            return
        key = configuration.gateway_tls_key
        files = CertificateFiles(Path(configuration.gateway_tls_cert), Path(key) if key else None)
        certificate = load_certificate(files)
    except Invalid as error:
        yield Check("tls", "fail", error.message, f"set {error.field or 'the setting'} right")
        return
    yield judge(str(certificate), certificate.ends_at, datetime.now(UTC))


def judge(what: str, ends_at: datetime, now: datetime) -> Check:
    """Return the check of a certificate that is valid until `ends_at`."""
    days = (ends_at - now).days
    if ends_at <= now:
        return Check("tls", "fail", f"{what}: callers refuse it", _WAY_OUT)
    if ends_at - now < SOON:
        return Check("tls", "warn", f"{what}: {days} days", _WAY_OUT)
    return Check("tls", "ok", f"{what}: {days} days")
