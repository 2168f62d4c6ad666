"""The folder of a development cluster: what lies where, one `serai dev` at a time, and wiping it."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serai.domain.errors import Conflict, Invalid, SeraiError

# That a folder has it shows that it is one of ours, and may be wiped.
MARK_FILE = "cluster.json"


@dataclass(frozen=True, slots=True)
class Folder:
    """Absolute paths below `root`."""

    root: Path

    @property
    def data(self) -> Path:
        """Serai's data folder. The name is the one its clients look for, so that they work from within `root`."""
        return self.root / ".serai"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def plugins(self) -> Path:
        return self.root / "plugins"

    @property
    def settings(self) -> Path:
        return self.root / "serai.toml"

    def agent(self, name: str) -> Path:
        return self.root / "agents" / name

    def control(self, name: str) -> Path:
        """Where a file with a GPU's id as name makes that GPU of this client unhealthy."""
        return self.root / "gpus" / name

    def make(self) -> None:
        for path in (self.data, self.logs, self.plugins):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)

    def load_state(self) -> dict[str, Any]:
        """Return what the last start kept, {} where there was none."""
        try:
            state = json.loads((self.root / MARK_FILE).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise SeraiError(
                f"{self.root / MARK_FILE} cannot be read: {error}; `serai dev --reset` begins anew"
            ) from error
        return state if isinstance(state, dict) else {}

    def save_state(self, state: dict[str, Any]) -> None:
        part = self.root / f".{MARK_FILE}.part"
        part.write_text(json.dumps(state, indent=2) + "\n", encoding="utf-8")
        part.replace(self.root / MARK_FILE)


@contextmanager
def hold_folder(root: Path) -> Iterator[Folder]:
    """Make the folder and hold it while the `with` lasts; Conflict while another `serai dev` does."""
    root = root.absolute()
    if root.is_dir() and any(root.iterdir()) and not (root / MARK_FILE).exists() and not (root / "dev.lock").exists():
        raise Invalid(f"{root} is not empty and no folder of `serai dev`; choose another with --dir", "dir")
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(root / "dev.lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise SeraiError(f"the folder {root} cannot be used: {error.strerror}; choose another with --dir") from error
    try:
        _lock(descriptor, root)
        yield Folder(root)
    finally:
        os.close(descriptor)


def release_mounts(folder: Folder) -> None:
    """Unmount what ended tasks leave, so that the folder can be removed. No process of it may run any more."""
    for mount in reversed(find_mounts(folder.root)):
        subprocess.run(["umount", "-l", mount], check=False, capture_output=True)


def wipe(folder: Folder) -> None:
    """Remove everything in the folder but its lock. No process of it may run any more."""
    release_mounts(folder)
    for path in folder.root.iterdir():
        if path.name == "dev.lock":
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()
    left = [path.name for path in folder.root.iterdir() if path.name != "dev.lock"]
    if left:
        raise SeraiError(f"{folder.root} cannot be wiped: {', '.join(left)} stays; remove it by hand")


def find_mounts(root: Path) -> list[str]:
    """Return what is mounted below the folder, outer mounts first: each task's secrets are, where Nomad is root."""
    try:
        lines = Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    points = [line.split()[1].replace("\\040", " ") for line in lines]
    return [point for point in points if Path(point).is_relative_to(root)]


def _lock(descriptor: int, root: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise Conflict(
            f"`serai dev` runs on {root} already; use it, stop it, or choose another --dir", "already-up"
        ) from error
