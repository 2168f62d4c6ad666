"""Unpack bundles (tar, plain or gzip) that strangers made, so that nothing leaves the target folder.

The archive is parsed by the standard library's tarfile, but neither its extraction nor its filters are used: names
and links are judged in `archive_tree`, bytes are counted in `archive_stream`, and files are written here.
"""

from __future__ import annotations

import errno
import os
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from gzip import BadGzipFile
from pathlib import Path
from typing import BinaryIO, cast

from serai.domain.errors import NotFound, SeraiError

from .archive_stream import ArchiveStream, broken
from .archive_tree import Entry, Kind, Tree


@dataclass(frozen=True, slots=True)
class Limits:
    """What an archive may hold: bytes of the unpacked stream, files and folders, unpacked bytes per packed byte."""

    max_bytes: int = 256 * 2**30
    max_entries: int = 200_000
    max_ratio: float = 200.0


@dataclass(frozen=True, slots=True)
class Contents:
    """What an archive holds: files and folders, and the bytes of its files."""

    entries: int
    size_bytes: int


def check(archive: Path, limits: Limits = Limits()) -> Contents:
    """Do all that `unpack` does but write; the same archive passes both or neither."""
    return _walk(archive, limits, None)


def unpack(archive: Path, target: Path, limits: Limits = Limits()) -> Contents:
    """Make `target` the unpacked archive. It must not exist, or be empty.

    All or nothing: files appear in a folder beside it, named `.<target>-*`, which is renamed at the end and removed
    after an error. Files get the mode 644 or 755, folders 755, less the umask; owners, times and other attributes
    are left out. Raise Invalid (code `bundle-broken`) for a bad archive and SeraiError (`disk-full` or
    `unpack-failed`) where it cannot be written.
    """
    with _writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
        try:
            contents = _walk(archive, limits, partial)
            partial.chmod(0o755)
            partial.rename(target)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
    return contents


def _walk(archive: Path, limits: Limits, target: Path | None) -> Contents:
    """Read every byte; write below `target` unless that is None."""
    tree, size_bytes = Tree(limits.max_entries), 0
    symlinks: list[Entry] = []
    with _opened(archive) as raw, _judging():
        stream = ArchiveStream(raw, limits.max_bytes, limits.max_ratio)
        for info in _headers(stream):
            entry = tree.add(info)
            if entry is None:
                continue
            size_bytes += entry.size_bytes
            if entry.kind is Kind.SYMLINK:
                symlinks.append(entry)  # made last: nothing is ever written through one
            else:
                _take(stream, entry, target)
        stream.finish()
        tree.check_links()
    for entry in symlinks if target is not None else ():
        _place(cast(Path, target), entry).symlink_to(entry.target)
    return Contents(len(tree.kinds), size_bytes)


def _headers(stream: ArchiveStream) -> Iterator[tarfile.TarInfo]:
    stream.begin_header()
    with tarfile.open(fileobj=cast(BinaryIO, stream), mode="r:", errors="surrogateescape") as tar:
        while (info := tar.next()) is not None:
            yield info
            tar.members.clear()  # type: ignore[attr-defined]  # else it keeps each header for random access
            stream.begin_header()


def _take(stream: ArchiveStream, entry: Entry, target: Path | None) -> None:
    if target is None:
        _copy(stream, entry.size_bytes, None)
    elif entry.kind is Kind.FOLDER:
        _place(target, entry).mkdir(mode=0o755, exist_ok=True)
    elif entry.kind is Kind.HARDLINK:
        _place(target, entry).hardlink_to(target.joinpath(*[p for p in entry.target.split("/") if p not in {"", "."}]))
    else:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        mode = 0o755 if entry.executable else 0o644
        with os.fdopen(os.open(_place(target, entry), flags, mode), "wb") as file:
            _copy(stream, entry.size_bytes, file)


def _copy(stream: ArchiveStream, size: int, file: BinaryIO | None) -> None:
    while size > 0:
        data = stream.read_data(size)
        size -= len(data)
        if file is not None:
            file.write(data)


def _place(target: Path, entry: Entry) -> Path:
    """Return where the entry goes; the folders on the way are made."""
    path = target.joinpath(*entry.parts)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


@contextmanager
def _opened(archive: Path) -> Iterator[BinaryIO]:
    try:
        file = archive.open("rb")
    except FileNotFoundError as error:
        raise NotFound(f"there is no bundle at {archive}", code="bundle-missing") from error
    with file:
        yield file


@contextmanager
def _judging() -> Iterator[None]:
    """Turn what the parsers raise about bad bytes into Invalid; errors of writing pass."""
    try:
        yield
    except (EOFError, zlib.error, BadGzipFile, tarfile.TarError, ValueError, OverflowError) as error:
        raise broken(f"cannot be read: {error}") from error


@contextmanager
def _writing(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        full = error.errno in {errno.ENOSPC, errno.EDQUOT}
        code = "disk-full" if full else "unpack-failed"
        raise SeraiError(f"the bundle cannot be unpacked to {target}: {error.strerror or error}", code) from error
