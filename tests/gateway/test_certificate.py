"""Certificates: what is taken, what is refused and why, and when changed files are looked at."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from serai.cli.certificate_check import check_certificate, judge
from serai.domain.errors import Invalid
from serai.gateway.certificate import (
    LIMIT_BYTES,
    Certificate,
    CertificateFiles,
    CertificateWatch,
    load_certificate,
)
from tests.gateway.certificates import Authority


def test_certificate_chain_and_key_from_two_files_or_one(tmp_path: Path) -> None:
    files = Authority(tmp_path).issue("a", "models.test")
    assert files.key is not None
    both = tmp_path / "both.pem"
    both.write_bytes(b"about it\n\n" + files.key.read_bytes() + b"\r\n\r\n" + files.cert.read_bytes())
    for certificate in (load_certificate(files), load_certificate(CertificateFiles(both))):
        assert set(certificate.names) == {"127.0.0.1", "models.test"} and certificate.ends_at > datetime.now(UTC)
        assert b"\n\n" not in certificate.pem and b"\r" not in certificate.pem and b"about" not in certificate.pem


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda files: files.cert.unlink(), "cannot be read: No such file"),
        (lambda files: files.cert.write_bytes(b"hello"), "holds no PEM block"),
        (lambda files: files.key.write_bytes(b""), "holds no PEM block"),
        (lambda files: files.cert.write_bytes(files.key.read_bytes()), "no certificate with its own key"),
        (lambda files: files.cert.write_bytes(files.cert.read_bytes().replace(b"M", b"N")), "no certificate with its"),
        (lambda files: files.cert.write_bytes(files.cert.read_bytes() * 30), f"at most {LIMIT_BYTES} are taken"),
    ],
)
def test_files_that_cannot_be_used(spoil: Callable[[CertificateFiles], object], sentence: str, tmp_path: Path) -> None:
    files = Authority(tmp_path).issue("a")
    spoil(files)
    with pytest.raises(Invalid, match=sentence):
        load_certificate(files)


def test_the_key_of_another_certificate_is_refused(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    first, second = authority.issue("a"), authority.issue("b")
    with pytest.raises(Invalid, match="no certificate with its own key"):
        load_certificate(CertificateFiles(first.cert, second.key))


def test_files_are_taken_once_they_rest_and_bad_ones_never(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    authority = Authority(tmp_path)
    files = authority.issue("a", "first.test")
    taken: list[Certificate] = []

    async def take(certificate: Certificate) -> None:
        taken.append(certificate)

    async def look(times: int) -> None:
        for _ in range(times):
            await watch.look()

    watch = CertificateWatch(files, take)
    asyncio.run(look(3))
    assert taken == []
    authority.issue("a", "second.test")
    asyncio.run(look(1))
    assert taken == []  # the key may be on its way
    asyncio.run(look(3))
    assert [certificate.names[-1] for certificate in taken] == ["second.test"]
    files.cert.write_bytes(b"nonsense")
    asyncio.run(look(4))
    assert len(taken) == 1 and caplog.text.count("is not used, the old one stays") == 1
    files.cert.unlink()
    asyncio.run(look(3))
    authority.issue("a", "third.test")
    asyncio.run(look(3))
    assert [certificate.names[-1] for certificate in taken] == ["second.test", "third.test"]
    assert "PRIVATE" not in caplog.text


@pytest.mark.parametrize(
    ("left", "level", "finding"),
    [
        (timedelta(days=90), "ok", "it: 90 days"),
        (timedelta(days=13), "warn", "it: 13 days"),
        (timedelta(0), "fail", "callers refuse it"),
        (timedelta(days=-3), "fail", "callers refuse it"),
    ],
)
def test_the_doctor_tells_when_it_ends(left: timedelta, level: str, finding: str) -> None:
    now = datetime(2026, 11, 27, tzinfo=UTC)
    check = judge("it", now + left, now)
    assert (check.level, finding in check.finding, bool(check.way_out)) == (level, True, level != "ok")


def test_the_doctor_looks_at_the_configured_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("SERAI_")]:
        monkeypatch.delenv(name)
    assert list(check_certificate()) == []
    files = Authority(tmp_path).issue("a", "models.test")
    monkeypatch.setenv("SERAI_GATEWAY_TLS_CERT", str(files.cert))
    assert [check.level for check in check_certificate()] == ["fail"]
    monkeypatch.setenv("SERAI_GATEWAY_TLS_KEY", str(files.key))
    (check,) = check_certificate()
    assert check.level == "ok" and "models.test" in check.finding
