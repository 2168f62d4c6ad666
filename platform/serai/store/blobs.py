"""Bundles by content: a file is named by its SHA-256 and is there completely and correctly, or not at all."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

from serai.domain.errors import Conflict, Invalid, NotFound, SeraiError

_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")
_READ_BYTES = 1 << 20
_FULL = {errno.ENOSPC, errno.EDQUOT}


class BlobStore:
    """A folder of files `<sha256>`; safe to use from any thread and process. Digests are `sha256:<hex>`.

    What is being received lies beside them as `<sha256>.<random>.tmp`, a resumable upload as `<sha256>.partial`.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, digest: str) -> Path:
        """Return the file of a bundle, or raise NotFound(code="bundle-missing")."""
        path = self._file(digest)
        if not path.is_file():
            raise NotFound(f"there is no bundle {digest}; upload it first", "bundle-missing")
        return path

    def has(self, digest: str) -> bool:
        """Return whether the bundle is here; if so it may be relied on, as no sweep takes it for a while."""
        return _touch(self._file(digest))

    def delete(self, digest: str) -> None:
        """Remove a bundle and what was uploaded of it; a missing one is fine."""
        path = self._file(digest)
        path.unlink(missing_ok=True)
        _partial(path).unlink(missing_ok=True)

    def receive(self, digest: str, chunks: Iterable[bytes], limit_bytes: int) -> Path:
        """Store a bundle and return its file. A bundle that is there already is left as it is, and nothing is read.

        Raise Invalid(code="bundle-too-large" or "bundle-corrupt") or SeraiError(code="disk-full"); then, as after
        any error of `chunks`, nothing is left behind.
        """
        path = self._file(digest)
        if _touch(path):
            return path
        temporary = path.with_name(f"{path.name}.{uuid4().hex}.tmp")
        try:
            with self._disk():
                _write(temporary, "xb", 0, chunks, limit_bytes)
                self._settle(temporary, path, digest)
        finally:
            temporary.unlink(missing_ok=True)
        return path

    def offset(self, digest: str) -> int:
        """Return how many bytes of a resumable upload are here; of a complete bundle, all of them."""
        path = self._file(digest)
        for file in (path, _partial(path)):
            if file.is_file():
                return file.stat().st_size
        return 0

    def append(self, digest: str, offset: int, chunks: Iterable[bytes], limit_bytes: int | None = None) -> int:
        """Add to a resumable upload and return its new offset; what came before an error is kept.

        Raise Conflict(code="bundle-offset") unless `offset` is where the upload has come to.
        """
        partial = _partial(self._file(digest))
        with self._disk():
            if offset != self.offset(digest):
                message = f"{self.offset(digest)} bytes of the bundle are here, not {offset}; go on from there"
                raise Conflict(message, "bundle-offset")
            return _write(partial, "ab", offset, chunks, limit_bytes)

    def finish(self, digest: str) -> Path:
        """Make a resumable upload that is complete a bundle and return its file.

        Raise NotFound if nothing was uploaded, Invalid(code="bundle-corrupt") if it is something else, which is
        then removed.
        """
        path = self._file(digest)
        if path.is_file():
            return path
        partial = _partial(path)
        if not partial.is_file():
            raise NotFound(f"nothing was uploaded of the bundle {digest}", "bundle-missing")
        with self._disk():
            self._settle(partial, path, digest)
        return path

    def sweep(self, keep: set[str], older_than: timedelta) -> int:
        """Delete bundles that are not in `keep`, and unfinished uploads; return how many files went.

        Only what is older goes: a bundle is uploaded before the version that needs it is stored. Asking `has` or
        `receive` for a bundle makes it young again.
        """
        names = {digest.removeprefix("sha256:") for digest in keep}
        until = time.time() - older_than.total_seconds()
        gone = 0
        for file in self._files():
            if file.name not in names and _is_older(file, until):
                file.unlink(missing_ok=True)
                gone += 1
        return gone

    def _files(self) -> list[Path]:
        return sorted(self.root.iterdir()) if self.root.is_dir() else []

    def _file(self, digest: str) -> Path:
        match = _DIGEST.fullmatch(digest)
        if match is None:
            raise Invalid(f"{digest!r} has to be sha256: and 64 hexadecimal digits", "digest")
        return self.root / match[1]

    def _settle(self, written: Path, path: Path, digest: str) -> None:
        """Give a written file its name if it holds what the name says; remove it otherwise."""
        found = _hash(written)
        if found != path.name:
            written.unlink(missing_ok=True)
            message = f"the bundle arrived damaged: it is sha256:{found}, not {digest}; upload it again"
            raise Invalid(message, "bundle", "bundle-corrupt")
        _sync(written)
        written.replace(path)
        _sync(self.root)

    @contextmanager
    def _disk(self) -> Iterator[None]:
        """Make the folder, and raise SeraiError(code="disk-full") where there is no room."""
        try:
            self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
            yield
        except OSError as error:
            if error.errno not in _FULL:
                raise
            message = f"the disk with {self.root} is full; free some space, then upload the bundle again"
            raise SeraiError(message, "disk-full") from error


def _partial(path: Path) -> Path:
    return path.with_name(f"{path.name}.partial")


def _write(file: Path, mode: str, size: int, chunks: Iterable[bytes], limit_bytes: int | None) -> int:
    """Write `chunks` to a file that holds `size` bytes and return its new size."""
    with file.open(mode) as target:
        for chunk in chunks:
            size += len(chunk)
            if limit_bytes is not None and size > limit_bytes:
                message = f"the bundle is larger than the limit of {limit_bytes} bytes"
                raise Invalid(message, "bundle", "bundle-too-large")
            target.write(chunk)
    return size


def _hash(file: Path) -> str:
    with file.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _touch(file: Path) -> bool:
    """Set the file's time to now; False if there is none."""
    try:
        os.utime(file)
    except FileNotFoundError:
        return False
    return True


def _is_older(file: Path, than: float) -> bool:
    try:
        return file.stat().st_mtime < than
    except FileNotFoundError:  # another sweep was faster
        return False
