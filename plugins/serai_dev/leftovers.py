"""Processes of a development cluster that nobody holds any more: a mark in the environment tells whose they are.

Agents hand it to their plugins, log collectors and executors, and these to tasks.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path

import psutil

MARK, PART_MARK = "SERAI_DEV_FOLDER", "SERAI_DEV_PART"


def find_leftovers(root: Path, part: str = "") -> list[psutil.Process]:
    """Return processes of the cluster in `root`, or of one part of it, that are alive, but for this one."""
    marks = {MARK: str(root)} | ({PART_MARK: part} if part else {})
    return [process for process in psutil.process_iter() if process.pid != os.getpid() and _belongs(process, marks)]


def end_leftovers(root: Path, part: str = "", patience_s: float = 0.0, timeout_s: float = 5.0) -> int:
    """Kill those that have not ended after `patience_s`, and return how many that were."""
    _, found = psutil.wait_procs(find_leftovers(root, part), timeout=patience_s)
    for process in found:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(found, timeout=timeout_s)
    return len(found)


def _belongs(process: psutil.Process, marks: Mapping[str, str]) -> bool:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        environ = process.environ()
    except (psutil.Error, OSError):
        return False
    return all(environ.get(name) == value for name, value in marks.items())
