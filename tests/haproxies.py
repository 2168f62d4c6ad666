"""HAProxies that outlive what started them, as they are made to: tests that kill a gateway end what serves on."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import psutil


def end_haproxies(folder: Path) -> list[Path]:
    """Kill every HAProxy that works below `folder`; return where they worked."""
    places = []
    for process in psutil.process_iter(["name"]):
        with suppress(psutil.Error, OSError):
            if process.info["name"] != "haproxy" or process.status() == psutil.STATUS_ZOMBIE:
                continue
            place = Path(process.cwd().removesuffix(" (deleted)"))
            if place.is_relative_to(folder):
                process.kill()
                places.append(place)
    return sorted(set(places))
