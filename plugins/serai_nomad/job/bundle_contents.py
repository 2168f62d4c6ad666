"""What rendering has to know of a bundle's archive, without unpacking it."""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from serai.domain.errors import Invalid, NotFound

REQUIREMENTS = "requirements.txt"
MOST_FILES = 4096  # what a Nomad client unpacks unless its agent says otherwise
_MOST_REQUIREMENTS_BYTES = 4 * 2**20
_LOCAL = ("-r", "-c", "-e", "--requirement", "--constraint", "--editable", ".", "/", "~", "file:")


@dataclass(frozen=True, slots=True)
class BundleContents:
    """What an archive holds.

    `is_packed`: gzip around the tar. `requirements`: the SHA-256 of requirements.txt, "" without one. `names_files`:
    its lines refer to files of the bundle, so that the text alone does not say what is installed. `needs_tar`: Nomad's
    own unpacking would make empty files of links, or refuse so many files.
    """

    is_packed: bool = True
    requirements: str = ""
    names_files: bool = False
    needs_tar: bool = False

    @property
    def has_requirements(self) -> bool:
        return bool(self.requirements)


def read_contents(archive: Path) -> BundleContents:
    """Return what `archive` holds; every byte is read once. Raise NotFound or Invalid (`bundle-broken`)."""
    requirements: bytes | None = None
    files, has_links = 0, False
    for tar, info in _entries(archive):
        files += not info.isdir()
        has_links = has_links or info.issym() or info.islnk()
        if info.isfile() and _clean(info.name) == REQUIREMENTS:
            requirements = _read(tar, info)
    return BundleContents(
        is_packed=_is_packed(archive),
        requirements="" if requirements is None else hashlib.sha256(requirements).hexdigest(),
        names_files=requirements is not None and names_files(requirements),
        needs_tar=has_links or files > MOST_FILES,
    )


def names_files(requirements: bytes) -> bool:
    """Tell whether a line refers to files of the bundle."""
    lines = (line.strip() for line in requirements.decode("utf-8", "replace").splitlines())
    return any(line.startswith(_LOCAL) or "file:" in line or "@ ." in line for line in lines)


def _entries(archive: Path) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
    try:
        with tarfile.open(archive, "r|*", errors="surrogateescape") as tar:
            for info in tar:
                yield tar, info
                tar.members.clear()  # type: ignore[attr-defined]  # else each header is kept
    except FileNotFoundError as error:
        raise NotFound(f"there is no bundle at {archive}", code="bundle-missing") from error
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise Invalid(f"the bundle cannot be read: {error}", "bundle", code="bundle-broken") from error


def _read(tar: tarfile.TarFile, info: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(info)
    return file.read(_MOST_REQUIREMENTS_BYTES) if file else b""


def _clean(name: str) -> str:
    return "/".join(part for part in name.split("/") if part not in {"", "."})


def _is_packed(archive: Path) -> bool:
    with archive.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"
