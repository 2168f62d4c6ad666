"""Decide which entries of an archive may become files: pure rules on names, types and links."""

from __future__ import annotations

import tarfile
from dataclasses import dataclass, field
from enum import StrEnum

from .archive_stream import broken

_MAX_PATH_BYTES = 2048
_MAX_PART_BYTES = 255
_MAX_DEPTH = 64
_MAX_JUMPS = 40  # as Linux does
_MAX_STEPS = 5_000_000  # a few seconds; 200,000 honest links take a third of that
_SPECIAL = {
    tarfile.CHRTYPE: "a character device",
    tarfile.BLKTYPE: "a block device",
    tarfile.FIFOTYPE: "a named pipe",
    tarfile.GNUTYPE_SPARSE: "a sparse file",
}

Parts = tuple[str, ...]


class Kind(StrEnum):
    FILE = "file"
    FOLDER = "folder"
    SYMLINK = "symlink"
    HARDLINK = "hardlink"


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry that passed. `parts` is its path below the folder, `target` that of a link as written."""

    kind: Kind
    parts: Parts
    size_bytes: int = 0
    executable: bool = False
    target: str = ""

    @property
    def path(self) -> str:
        return "/".join(self.parts)


@dataclass(slots=True)
class Tree:
    """What the archive has brought so far. `add` raises Invalid for what must not be, naming it."""

    max_entries: int
    kinds: dict[Parts, Kind] = field(default_factory=dict)
    links: dict[Parts, str] = field(default_factory=dict)
    steps: int = 0

    def add(self, info: tarfile.TarInfo) -> Entry | None:
        """Return the entry of `info`, or None for the folder itself."""
        kind = _kind_of(info)
        parts = split_path(info.name)
        if not parts:
            if kind is Kind.FOLDER:
                return None
            raise broken(f"holds {info.name!r}, which names no file")
        self._add_parents(parts, info.name)
        self._add(parts, kind, info.name)
        if kind is Kind.HARDLINK and self.kinds.get(split_path(info.linkname)) is not Kind.FILE:
            raise broken(f"links {info.name!r} to {info.linkname!r}, which is no file before it")
        if kind is Kind.SYMLINK:
            self.links[parts] = _check_target(info)
        if kind is Kind.HARDLINK:
            self.kinds[parts] = Kind.FILE
        size_bytes = info.size if kind is Kind.FILE else 0
        return Entry(kind, parts, size_bytes, bool(info.mode & 0o100), info.linkname)

    def check_links(self) -> None:
        """Raise Invalid for a symbolic link that leads out of the folder, by whatever detours."""
        for parts, target in self.links.items():
            if not self._stays_inside(parts, target):
                raise broken(f"links {'/'.join(parts)!r} to {target!r}, outside of its folder or in circles")

    def _add_parents(self, parts: Parts, name: str) -> None:
        for length in range(1, len(parts)):
            kind = self.kinds.get(parts[:length])
            if kind is None:
                self._add(parts[:length], Kind.FOLDER, name)
            elif kind is not Kind.FOLDER:
                raise broken(f"puts {name!r} into {'/'.join(parts[:length])!r}, which is no folder")

    def _add(self, parts: Parts, kind: Kind, name: str) -> None:
        known = self.kinds.get(parts)
        if known is not None and not (known is kind is Kind.FOLDER):
            raise broken(f"holds {name!r} twice")
        self.kinds[parts] = kind
        if len(self.kinds) > self.max_entries:
            raise broken(f"holds more than {self.max_entries:,} files and folders")

    def _stays_inside(self, link: Parts, target: str) -> bool:
        """Follow `target` a name at a time as a kernel would, on the names of the archive alone."""
        here, ahead, jumps = list(link[:-1]), target.split("/")[::-1], 0
        while ahead:
            self._count_step()
            name = ahead.pop()
            if name in {"", "."}:
                continue
            if name == "..":
                if not here:
                    return False
                here.pop()
                continue
            here.append(name)
            if (further := self.links.get(tuple(here))) is not None:
                jumps += 1
                if jumps > _MAX_JUMPS:
                    return False
                here.pop()
                ahead.extend(further.split("/")[::-1])
        return True

    def _count_step(self) -> None:
        self.steps += 1
        if self.steps > _MAX_STEPS:
            raise broken("has links that are too tangled to follow")


def split_path(name: str) -> Parts:
    """Return the parts of a relative path without `.` and empty ones; raise Invalid for what could escape."""
    if name.startswith("/"):
        raise broken(f"holds the absolute path {name!r}")
    parts = tuple(part for part in name.split("/") if part not in {"", "."})
    if ".." in parts:
        raise broken(f"holds {name!r}, which leads out of its folder")
    _check_text(name)
    if len(parts) > _MAX_DEPTH or any(len(part.encode()) > _MAX_PART_BYTES for part in parts):
        raise broken(f"holds a path that is too long or too deep: {name[:80]!r}...")
    return parts


def _check_text(name: str) -> None:
    try:
        size = len(name.encode())
    except UnicodeEncodeError as error:
        raise broken(f"holds the name {name!r}, which is not UTF-8") from error
    if size > _MAX_PATH_BYTES:
        raise broken(f"holds a path that is too long or too deep: {name[:80]!r}...")
    if any(ord(letter) < 32 or ord(letter) == 127 for letter in name):
        raise broken(f"holds the name {name!r} with control characters")


def _check_target(info: tarfile.TarInfo) -> str:
    _check_text(info.linkname)
    if not info.linkname or info.linkname.startswith("/"):
        raise broken(f"links {info.name!r} to {info.linkname!r}, outside of its folder")
    return info.linkname


def _kind_of(info: tarfile.TarInfo) -> Kind:
    if info.size < 0:
        raise broken(f"gives {info.name!r} a negative size")
    if info.type in _SPECIAL or info.issparse():
        raise broken(f"holds {info.name!r}, {_SPECIAL.get(info.type, 'a sparse file')}")
    if info.isdir():
        return Kind.FOLDER
    if info.issym():
        return Kind.SYMLINK
    if not info.isreg() and not info.islnk():
        raise broken(f"holds {info.name!r}, which is of the unknown type {info.type!r}")
    if info.mode & 0o6000:
        raise broken(f"holds {info.name!r}, which would run with another user's rights (setuid or setgid)")
    return Kind.HARDLINK if info.islnk() else Kind.FILE
