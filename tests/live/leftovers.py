"""Folders of agents, and everything that belongs to one: processes, mounts, control groups. Nothing of it stays."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import glob
from pathlib import Path

import psutil

from tests.waiting import eventually

_PREFIX = "serai-live-"
_ROOT = Path("/tmp")
# Inherited by an agent's plugins, log collectors and executors, and by most tasks.
MARK = "SERAI_LIVE_FOLDER"


@contextmanager
def make_folder(what: str) -> Iterator[Path]:
    """Make a folder for agents, named after this process; end whatever belongs to it, and remove it."""
    me = psutil.Process()
    prefix = f"{_PREFIX}{me.pid}-{int(me.create_time())}-{what}-"
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=_ROOT))
    try:
        yield folder
    finally:
        clear(folder)


def end_leftovers() -> list[Path]:
    """Clear the folders of test processes that are no more; return them."""
    left = [folder for folder in _ROOT.glob(f"{_PREFIX}*") if not _is_owned(folder)]
    for folder in left:
        clear(folder)
    return left


def clear(folder: Path) -> None:
    """End all processes of a folder, unmount what is below it, remove it and its allocations' control groups."""
    eventually(lambda: not end_processes(folder), 20, 0.05)
    names = [*allocations(folder), *containers(folder)]
    for mount in reversed(mounts(folder)):
        subprocess.run(["umount", "-l", mount], check=False, capture_output=True)
    shutil.rmtree(folder, ignore_errors=True)
    for group in control_groups(names):
        _remove_group(group)


def end_processes(folder: Path) -> list[psutil.Process]:
    """Kill the processes of a folder, stopped ones too; return those that were there."""
    found = processes(folder)
    for process in found:
        _kill(process)
    return found


def processes(folder: Path) -> list[psutil.Process]:
    """Return agents, plugins, log collectors, executors and tasks of a folder that are alive."""
    contained = _container_processes(folder)
    return [
        process
        for process in psutil.process_iter()
        if process.pid != os.getpid() and (process.pid in contained or _belongs(process, folder))
    ]


def mounts(folder: Path) -> list[str]:
    """Return what is mounted below a folder, outer mounts first."""
    text = Path("/proc/self/mounts").read_text(encoding="utf-8")
    points = [line.split()[1] for line in text.splitlines()]
    return [point for point in points if Path(point).is_relative_to(folder)]


def _container_processes(folder: Path) -> set[int]:
    """Return the processes in containers of a Docker daemon in this folder: they know nothing of the folder."""
    pids: set[int] = set()
    for group in control_groups(containers(folder)):
        with suppress(OSError):
            pids |= {int(pid) for pid in (group / "cgroup.procs").read_text(encoding="utf-8").split()}
    return pids


def containers(folder: Path) -> list[str]:
    """Return the ids of the containers of a Docker daemon in this folder."""
    return [path.name for path in folder.glob("data/containers/*")]


def allocations(folder: Path) -> list[str]:
    """Return the ids of the allocations that an agent in this folder, or below it, still has files of."""
    found = [*folder.glob("data/alloc/*-*"), *folder.glob("*/data/alloc/*-*")]
    return [path.name for path in found]


def control_groups(names: list[str]) -> list[Path]:
    """Return the control groups that Nomad and Docker made for these allocations and containers, inner ones first."""
    root = "/sys/fs/cgroup"
    patterns = (
        "*/nomad/{}*",
        "*/nomad/*/{}*",
        "nomad.slice/*/{}*",
        "*/docker/{}*",
        "docker/{}*",
        "system.slice/docker-{}*",
    )
    # Path.glob would raise where other agents' groups vanish meanwhile.
    found = {
        group
        for name in names
        for pattern in patterns
        for group in glob(pattern.format(name), root_dir=root)  # noqa: PTH207
    }
    return sorted((Path(root) / group for group in found), reverse=True)


def _belongs(process: psutil.Process, folder: Path) -> bool:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        return (
            process.environ().get(MARK) == str(folder)
            or any(str(folder) in part for part in process.cmdline())
            or _is_inside(process, folder)
        )
    except (psutil.Error, OSError):
        return False


def _is_inside(process: psutil.Process, folder: Path) -> bool:
    """Return whether it works in the folder or has it as its root, as tasks of the exec driver do."""
    places = (Path(f"/proc/{process.pid}/{name}").readlink() for name in ("cwd", "root"))
    return any(place.is_relative_to(folder) for place in places)


def _kill(process: psutil.Process) -> None:
    with suppress(psutil.NoSuchProcess):
        process.kill()


def _remove_group(group: Path) -> None:
    for inner in sorted((path for path in group.glob("**/*") if path.is_dir()), reverse=True):
        _rmdir(inner)
    _rmdir(group)


def _rmdir(path: Path) -> None:
    with suppress(OSError):
        path.rmdir()


def _is_owned(folder: Path) -> bool:
    pid, _, rest = folder.name.removeprefix(_PREFIX).partition("-")
    try:
        return int(psutil.Process(int(pid)).create_time()) == int(rest.partition("-")[0])
    except (ValueError, psutil.Error):
        return False
