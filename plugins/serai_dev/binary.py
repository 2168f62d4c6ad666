"""The `nomad` on PATH."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from serai.domain.errors import SeraiError

_OLDEST = (1, 10)
_WHERE = (
    "Serai contains no Nomad; get it from HashiCorp (developer.hashicorp.com/nomad/install), "
    "as a package or as one file to put on PATH, and run `serai dev` again"
)


class NomadMissing(SeraiError):
    default_code = "nomad-missing"


def find_nomad() -> tuple[Path, str]:
    """Return the program and its version. Raise NomadMissing saying where to get one, or that this one is too old."""
    found = shutil.which("nomad")
    if found is None:
        raise NomadMissing(f"there is no `nomad` on PATH. {_WHERE}.")
    done = subprocess.run([found, "version"], capture_output=True, text=True, check=False, timeout=30)
    version = parse_version(done.stdout)
    if not version:
        raise NomadMissing(f"{found} does not say its version ({(done.stderr or done.stdout).strip()!r}). {_WHERE}.")
    if version < _OLDEST:
        shown = ".".join(map(str, version))
        raise NomadMissing(f"{found} is Nomad {shown}; Serai needs 1.10 or newer. {_WHERE}.")
    return Path(found), ".".join(map(str, version))


def parse_version(text: str) -> tuple[int, ...]:
    """Return the version in `Nomad v2.0.5`, () where there is none.

    >>> parse_version("Nomad v1.10.5+ent")
    (1, 10, 5)
    """
    match = re.search(r"v(\d+)\.(\d+)\.(\d+)", text)
    return tuple(map(int, match.groups())) if match else ()
