"""The data folder as `serai up` uses it: one of them at a time, and a file that tells clients where the server is."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from serai.domain.errors import Conflict, SeraiError


@contextmanager
def hold_folder(data: Path) -> Iterator[None]:
    """Make the folder and hold it for as long as the `with` lasts; Conflict while another `serai up` does.

    The lock is the kernel's: it is gone with the process, however that ends.
    """
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(data / "up.lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise SeraiError(
            f"the data folder {data} cannot be used: {error.strerror}; choose another with --data"
        ) from error
    try:
        _lock(descriptor, data)
        os.ftruncate(descriptor, 0)
        os.write(descriptor, str(os.getpid()).encode())
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, data: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = (data / "up.lock").read_text().strip()
        message = f"`serai up` runs on {data} already (process {holder}); use it, stop it, or choose another --data"
        raise Conflict(message, "already-up") from error


def write_addresses(data: Path, server: str, gateway: str) -> dict[str, str]:
    """Write `up.json`, by which clients in this folder find the server; return what it holds."""
    values = {"server": server, "gateway": gateway, "token_file": str(data.absolute() / "admin.token")}
    part = data / ".up.json"
    part.write_text(json.dumps(values) + "\n")
    part.replace(data / "up.json")
    return values


def example_folder() -> Path | None:
    """Return the example that the first start deploys, None where it is not beside this installation."""
    folder = Path(__file__).resolve().parents[3] / "examples" / "digits"
    return folder if (folder / "start.sh").exists() else None
