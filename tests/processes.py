"""Processes of this machine, found by what they were started with."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import psutil


def find_processes(is_one: Callable[[psutil.Process], bool]) -> list[psutil.Process]:
    """Return the processes of which `is_one` is true; those that end meanwhile, or may not be looked at, are not."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if is_one(process):
                found.append(process)
    return found


def find_replica(replica: str) -> list[psutil.Process]:
    """Return the processes of a replica, found by their environment."""
    return find_processes(lambda process: process.environ().get("SERAI_REPLICA") == replica)
