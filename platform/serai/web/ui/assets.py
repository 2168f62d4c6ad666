"""The stylesheet and the modules, at an address that changes with their content, so that browsers may keep them."""

from __future__ import annotations

import hashlib
from pathlib import Path

from flask import Blueprint, Response, send_from_directory

STATIC = Path(__file__).resolve().parent.parent / "static"
_FOREVER_S = 365 * 86400


def digest_files(folder: Path) -> str:
    """Return 12 hexadecimal digits that differ when any file below `folder` does."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


class Assets:
    """Modules import each other by relative address, so the digest stands in the path and not in a query."""

    def __init__(self) -> None:
        self._digest = digest_files(STATIC)

    def register(self, ui: Blueprint) -> None:
        ui.get("/assets/<digest>/<path:name>", endpoint="asset")(self.send)

    def address(self, name: str) -> str:
        return f"/assets/{self._digest}/{name}"

    def send(self, digest: str, name: str) -> Response:
        """Send a file; under an outdated digest the present one, not to be kept."""
        response = send_from_directory(STATIC, name, max_age=_FOREVER_S)
        if digest == self._digest:
            response.cache_control.immutable = True
        else:
            response.cache_control.max_age = 0
        return response
