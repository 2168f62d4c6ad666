"""What rendering has to know of a bundle's archive, without unpacking it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class BundleContents:
    """`is_packed`: gzip around the tar. `needs_tar`: Nomad's own unpacking would lose links or refuse so many files."""

    is_packed: bool = True
    has_requirements: bool = False
    needs_tar: bool = False


def read_contents(archive: Path) -> BundleContents:
    """Return what `archive` holds; it has been checked at its upload. Raise NotFound or Invalid (`bundle-broken`)."""
    raise NotImplementedError
