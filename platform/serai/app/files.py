"""The data folder: made private, locked by one server, with the secrets that the first start makes."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path

from serai.domain.errors import SeraiError


def make_private_folder(path: Path) -> Path:
    """Make a folder that its owner alone may enter; an existing one keeps its mode. Return it absolute."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SeraiError(
            f"the data folder {path} cannot be made: {error.strerror}; choose another with --data"
        ) from error
    return path.resolve()


def load_or_make(path: Path, make: Callable[[], str]) -> str:
    """Return the text of a secret file, making it (mode 0600) on the first call."""
    if path.exists():
        return path.read_text(encoding="utf-8").strip()
    text = make()
    write_private(path, text + "\n")
    return text


def write_private(path: Path, text: str) -> None:
    """Write a file that its owner alone may read, whole or not at all."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
