"""The gateway's own folder: who it is, and that no other process is in it."""

from __future__ import annotations

import fcntl
import os
import secrets
from pathlib import Path

from serai.domain.errors import Conflict


def lock_folder(folder: Path) -> int:
    """Return the descriptor that holds the folder for this process, even against a kill; Conflict if it is taken."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise Conflict(f"another gateway uses {folder}; give this one a folder of its own", "folder-taken") from error
    return descriptor


def load_gateway_id(folder: Path) -> str:
    """Return `<id of the folder>.<id of this start>`.

    Windows are numbered per start, so no counter has to survive a full disk or a kill for numbers to be used once.
    """
    path = folder / "id"
    try:
        known = path.read_text(encoding="ascii").strip()
    except (FileNotFoundError, UnicodeDecodeError):
        known = ""
    if not (known.isalnum() and len(known) <= 32):
        known = secrets.token_hex(4)
        path.write_text(known + "\n", encoding="ascii")
    return f"{known.lower()}.{secrets.token_hex(6)}"
