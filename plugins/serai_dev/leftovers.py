"""Processes of a development cluster that nobody holds any more: a mark in the environment tells whose they are.

Agents hand it to their plugins, log collectors and executors, and these to tasks.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import psutil

MARK = "SERAI_DEV_FOLDER"


def find_leftovers(root: Path) -> list[psutil.Process]:
    """Return processes of the cluster in `root` that are alive, but for this one."""
    return [process for process in psutil.process_iter() if process.pid != os.getpid() and _belongs(process, root)]


def end_leftovers(root: Path, timeout_s: float = 5.0) -> int:
    """Kill them, and return how many there were. Executors first: a task's end must not look like news to them."""
    found = find_leftovers(root)
    for process in found:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(found, timeout=timeout_s)
    return len(found)


def _belongs(process: psutil.Process, root: Path) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE and process.environ().get(MARK) == str(root)
    except (psutil.Error, OSError):
        return False
