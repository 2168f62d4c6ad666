"""List what of a folder is packed, in an order that is the same on every machine, and refuse what cannot travel."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from serai.domain.errors import Invalid
from serai.domain.quantity import format_bytes

from .ignore import Ignore, load_ignore

# The manifest is not part of the bundle: it travels as values, and a changed replica count makes no new version.
NOT_PACKED = frozenset({"serai.yaml", ".seraiignore"})


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that is packed."""

    files: int = 100_000
    size_bytes: int = 64 * 1024**3


@dataclass(frozen=True, slots=True)
class Entry:
    """A thing to pack. `path` is relative with `/`; `link` the target of a symbolic link, else ""."""

    path: str
    source: Path
    is_folder: bool = False
    link: str = ""
    size_bytes: int = 0
    executable: bool = False


def list_folder(folder: Path, limits: Limits | None = None) -> list[Entry]:
    """Return the entries of `folder`, sorted by path, folders before what they hold. Raise Invalid naming a path."""
    limits = limits or Limits()
    root = folder.resolve()
    entries: list[Entry] = []
    total_bytes = 0
    for entry in _walk(root, root, "", load_ignore(root)):
        entries.append(entry)
        total_bytes += entry.size_bytes
        if len(entries) > limits.files or total_bytes > limits.size_bytes:
            raise Invalid(
                f"{folder} holds more than {limits.files:,} files or {format_bytes(limits.size_bytes)};"
                " list in .seraiignore what the model does not need",
                code="bundle-too-large",
            )
    return sorted(entries, key=lambda entry: entry.path.encode().split(b"/"))


def _walk(root: Path, folder: Path, prefix: str, ignore: Ignore) -> Iterator[Entry]:
    try:
        found = list(os.scandir(folder))
    except OSError as error:
        raise _unreadable(folder, error) from error
    for item in found:
        path = f"{prefix}{item.name}"
        if path in NOT_PACKED or ignore.leaves_out(path, item.is_dir(follow_symlinks=False)):
            continue
        _check_encoding(path)
        if item.is_dir(follow_symlinks=False):
            yield Entry(path, Path(item.path), is_folder=True)
            yield from _walk(root, Path(item.path), f"{path}/", ignore)
        else:
            yield _make_entry(root, path, Path(item.path))


def _make_entry(root: Path, path: str, source: Path) -> Entry:
    try:
        facts = source.lstat()
        if stat.S_ISLNK(facts.st_mode):
            return Entry(path, source, link=_read_link(root, path, source))
        if stat.S_ISREG(facts.st_mode):
            executable = bool(facts.st_mode & 0o100) or _is_script(source)
            return Entry(path, source, size_bytes=facts.st_size, executable=executable)
    except OSError as error:
        raise _unreadable(source, error) from error
    raise Invalid(f"{source} is neither a file nor a folder (a device, socket or pipe); list it in .seraiignore")


def _is_script(source: Path) -> bool:
    """Return True for a file that names its interpreter: it is meant to be run, whatever its file system can keep."""
    with source.open("rb") as file:
        return file.read(2) == b"#!"


def _read_link(root: Path, path: str, source: Path) -> str:
    """Return the target relative to the link, so that it means the same elsewhere; Invalid if it leads outside."""
    target = source.readlink()
    lexical = Path(os.path.normpath(source.parent / target))
    if not lexical.is_relative_to(root) or not source.resolve().is_relative_to(root):
        raise Invalid(f"{path} is a link to {target}, outside of the folder; copy the file, or list it in .seraiignore")
    return os.path.relpath(lexical, source.parent).replace(os.sep, "/")


def _check_encoding(path: str) -> None:
    try:
        path.encode()
    except UnicodeEncodeError as error:
        raise Invalid(f"the file name {path!r} is not UTF-8; rename it, or list it in .seraiignore") from error


def _unreadable(path: Path, error: OSError) -> Invalid:
    return Invalid(f"{path} cannot be read ({error.strerror}); make it readable, or list it in .seraiignore")
