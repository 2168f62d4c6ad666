"""The data directory: made, kept private, and used by one server at a time."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Collection
from pathlib import Path

from serai.domain.errors import SchedulerUnavailable

from .launch import NEW
from .layout import try_lock
from .shim.environment import COMPLETE
from .trash import Trash

KEEP_ENVIRONMENTS_S = 30 * 86400.0
_PATIENCE_S = 5.0


class Home:
    """Holds the directory's lock until `close`; a killed server lets go of it at once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.workloads = path / "workloads"
        self.environments = path / "environments"
        self.workloads.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.chmod(0o700)
        self._lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        deadline = time.monotonic() + _PATIENCE_S
        while not try_lock(self._lock):
            if time.monotonic() > deadline:
                os.close(self._lock)
                raise SchedulerUnavailable(f"another server uses {path}; stop it, or choose another data directory")
            time.sleep(0.05)

    def job_folders(self) -> list[Path]:
        """Return the folders of all workloads; what was left half-made is removed."""
        for leftover in self.workloads.glob(f"*/replicas/{NEW}*"):
            shutil.rmtree(leftover, ignore_errors=True)
        return sorted(path for path in self.workloads.iterdir() if path.is_dir())

    def sweep_environments(self, used: Collection[str], trash: Trash) -> None:
        """Remove virtual environments that nobody has started with for KEEP_ENVIRONMENTS_S and nobody builds."""
        for place in self.environments.glob("*/"):
            mark = place / COMPLETE
            if place.name in used or (mark.exists() and time.time() - mark.stat().st_mtime < KEEP_ENVIRONMENTS_S):
                continue
            lock = os.open(place.with_name(f"{place.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
            if try_lock(lock):
                trash.put(place)
            os.close(lock)

    def close(self) -> None:
        os.close(self._lock)
