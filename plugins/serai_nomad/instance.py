"""The name by which an installation of Serai knows its own jobs."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from serai.domain.errors import SchedulerError


def load_instance(data_dir: Path, configured: str) -> str:
    """Return the configured name, else the one made at the first start and kept in the plugin's folder.

    A name of its own for each installation: two that share a namespace must never stop each other's jobs as orphans.
    """
    if configured:
        return configured
    path = data_dir / "instance"
    try:
        if path.exists():
            return path.read_text(encoding="utf-8").strip()
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = f"serai-{secrets.token_hex(6)}"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(name + "\n")
    except OSError as error:
        raise SchedulerError(f"the name of this installation cannot be kept in {path}: {error.strerror}") from error
    return name
