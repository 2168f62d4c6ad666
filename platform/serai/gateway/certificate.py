"""The certificate that callers see: read from files, checked before it is used, read anew when the files change."""

from __future__ import annotations

import asyncio
import logging
import re
import ssl
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from serai.domain.errors import Invalid

log = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0
# HAProxy takes a certificate at run time in one buffer of 16 KiB, with the command in it.
LIMIT_BYTES = 15_000
_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----.+?-----END \1-----", re.DOTALL)

Signature = tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """PEM files: the certificate with its chain, and its key; `key` None where the first holds both."""

    cert: Path
    key: Path | None = None

    @property
    def paths(self) -> tuple[Path, ...]:
        return (self.cert,) if self.key is None else (self.cert, self.key)

    def signature(self) -> Signature:
        """Return what is another once a file was written or replaced; empty while one is missing."""
        try:
            states = [path.stat() for path in self.paths]
        except OSError:
            return ()
        return tuple((state.st_ino, state.st_mtime_ns, state.st_size) for state in states)


@dataclass(frozen=True, slots=True)
class Certificate:
    """Certificate, chain and key in one text without blank lines, known to fit each other."""

    pem: bytes
    names: tuple[str, ...]
    ends_at: datetime

    def __str__(self) -> str:
        return (
            f"the certificate for {', '.join(self.names) or 'no name'}, valid until {self.ends_at:%Y-%m-%d %H:%M} UTC"
        )


def load_certificate(files: CertificateFiles) -> Certificate:
    """Return the certificate; Invalid with the way out where a file cannot be read or the two do not fit."""
    pem = b"".join(_read_blocks(path) for path in files.paths)
    if len(pem) > LIMIT_BYTES:
        raise Invalid(
            f"{files.cert} and its key have {len(pem)} bytes, at most {LIMIT_BYTES} are taken; "
            "leave out of the chain what callers have, the root above all",
            "gateway_tls_cert",
        )
    _check_fit(pem, files)
    names, ends_at = _describe(pem)
    return Certificate(pem, names, ends_at)


def make_context(pem: bytes) -> ssl.SSLContext:
    """Return a server's context: TLS 1.2 or newer. `present` changes its certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    present(context, pem)
    return context


def present(context: ssl.SSLContext, pem: bytes) -> None:
    """Have the context show this certificate from the next handshake on. SSLError where it is none.

    Python reads keys from files only: this one is gone at once, and never was anybody else's to read.
    """
    with tempfile.NamedTemporaryFile(prefix="serai-", suffix=".pem") as file:
        file.write(pem)
        file.flush()
        context.load_cert_chain(file.name, password=_refuse_password)


class CertificateWatch:
    """Calls `take` with what changed files hold; what cannot be used is said once, and the old one stays."""

    def __init__(self, files: CertificateFiles, take: Callable[[Certificate], Awaitable[None]]) -> None:
        self._files = files
        self._take = take
        self._known = self._seen = files.signature()

    async def follow(self) -> None:
        """Look for ever."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            await self.look()

    async def look(self) -> None:
        """Take what is new once it has been the same for two looks: two files are never replaced at one moment."""
        before, self._seen = self._seen, self._files.signature()
        if self._seen in ((), self._known) or self._seen != before:
            return
        self._known = self._seen
        try:
            certificate = await asyncio.to_thread(load_certificate, self._files)
            await self._take(certificate)
        except (Invalid, OSError) as error:
            log.error("the new TLS certificate is not used, the old one stays: %s", error)
            return
        log.info("callers see a new TLS certificate: %s", certificate)


def _read_blocks(path: Path) -> bytes:
    """Return the PEM blocks of a file without what people write around them."""
    try:
        text = path.read_bytes()
    except OSError as error:
        raise Invalid(f"the TLS file {path} cannot be read: {error.strerror}", "gateway_tls_cert") from error
    blocks = [b"\n".join(_lines(match[0])) + b"\n" for match in _BLOCK.finditer(text)]
    if not blocks:
        raise Invalid(f"the TLS file {path} holds no PEM block (-----BEGIN ...)", "gateway_tls_cert")
    return b"".join(blocks)


def _lines(block: bytes) -> list[bytes]:
    return [line.strip() for line in block.splitlines() if line.strip()]


def _check_fit(pem: bytes, files: CertificateFiles) -> None:
    names = " and ".join(str(path) for path in files.paths)
    try:
        make_context(pem)
    except ssl.SSLError as error:
        why = error.reason or str(error)
        raise Invalid(
            f"{names} are no certificate with its own key ({why}); give the certificate first, its chain after it, "
            "and a key without a password",
            "gateway_tls_cert",
        ) from error


def _describe(pem: bytes) -> tuple[tuple[str, ...], datetime]:
    from cryptography import x509

    leaf = x509.load_pem_x509_certificates(pem)[0]
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        texts = tuple(str(name.value) for name in names)
    except x509.ExtensionNotFound:
        texts = ()
    return texts, leaf.not_valid_after_utc.astimezone(UTC)


def _refuse_password() -> str:
    """Answer OpenSSL, which would ask at the terminal for ever."""
    return ""
