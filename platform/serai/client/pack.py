"""Pack a folder into a tar.gz whose bytes depend on nothing but names, contents and what is executable."""

from __future__ import annotations

import errno
import hashlib
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from serai.domain.errors import Invalid, SeraiError

from .folder import Entry, Limits, list_folder
from .gzip_stored import StoredGzip

CHUNK_BYTES = 1024 * 1024

OnProgress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Packed:
    """A packed folder: the file, which is removed at the end, its `sha256:<hex>`, and what it holds."""

    path: Path
    digest: str
    size_bytes: int
    files: int


@contextmanager
def pack_folder(folder: Path, on_progress: OnProgress | None = None, limits: Limits | None = None) -> Iterator[Packed]:
    """Give the packed folder for as long as the `with` lasts. `on_progress(done, total)` is told bytes.

    Invalid names what cannot be packed; SeraiError `disk-full` when the temporary folder is.
    """
    entries = list_folder(folder, limits)
    if not any(not entry.is_folder for entry in entries):
        raise Invalid(f"{folder} holds nothing to deploy")
    with tempfile.TemporaryDirectory(prefix="serai-") as scratch:
        path = Path(scratch) / "bundle.tar.gz"
        try:
            digest = _write(entries, path, on_progress or _ignore)
        except OSError as error:
            if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
                raise
            message = f"{tempfile.gettempdir()} is full; free space there, or name another folder in TMPDIR"
            raise SeraiError(message, "disk-full") from error
        files = sum(not entry.is_folder for entry in entries)
        yield Packed(path, f"sha256:{digest}", path.stat().st_size, files)


class _Hashing:
    """Writes to a file and hashes what it writes."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.hash = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.hash.update(data)
        return self._file.write(data)


def _write(entries: Sequence[Entry], path: Path, on_progress: OnProgress) -> str:
    total = sum(entry.size_bytes for entry in entries)
    with path.open("wb") as file:
        hashing = _Hashing(file)
        packed = StoredGzip(hashing)
        done = 0
        for entry in entries:
            packed.write(_make_header(entry))
            if entry.size_bytes:
                for chunk in _read_exactly(entry):
                    packed.write(chunk)
                    done += len(chunk)
                    on_progress(done, total)
                packed.write(b"\0" * (-entry.size_bytes % tarfile.BLOCKSIZE))
        packed.write(b"\0" * (2 * tarfile.BLOCKSIZE))
        packed.close()
    return hashing.hash.hexdigest()


def _make_header(entry: Entry) -> bytes:
    """Return the tar header of an entry, with owners, times and rights the same for everybody."""
    info = tarfile.TarInfo(entry.path)
    info.mtime = 0
    info.mode = 0o755 if entry.is_folder or entry.executable else 0o644
    info.size = entry.size_bytes
    if entry.is_folder:
        info.type = tarfile.DIRTYPE
    elif entry.link:
        info.type, info.linkname, info.mode = tarfile.SYMTYPE, entry.link, 0o777
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict")


def _read_exactly(entry: Entry) -> Iterator[bytes]:
    """Yield the bytes that the header promises; Invalid if the file is another by now."""
    left = entry.size_bytes
    try:
        with entry.source.open("rb") as file:
            while left and (chunk := file.read(min(CHUNK_BYTES, left))):
                left -= len(chunk)
                yield chunk
            grew = not left and file.read(1)
    except OSError as error:
        raise Invalid(f"{entry.source} cannot be read ({error.strerror})") from error
    if left or grew:
        raise Invalid(f"{entry.source} changed while it was being packed; deploy again when it is complete")


def _ignore(done: int, total: int) -> None:
    """Show nothing."""
