"""Which simulated GPUs are in use: those that a process of this machine carries in its environment.

Nomad says when a GPU is reserved and never when it is given back; processes tell both, and survive a killed plugin.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Collection, Iterator

from .inventory import GPUS_VARIABLE

_PREFIX = GPUS_VARIABLE.encode() + b"="
CACHE_S = 2.0  # reading the environments of a thousand processes takes about 10 ms


class Holders:
    """Answers from a look at /proc that is at most `CACHE_S` old; where there is no /proc, from what was reserved."""

    def __init__(self) -> None:
        self._looked_s = float("-inf")
        self._held: frozenset[str] = frozenset()
        self._reserved: set[str] = set()

    def reserve(self, ids: Collection[str]) -> None:
        self._reserved |= set(ids)

    def held(self) -> frozenset[str]:
        """Return the ids that are in use."""
        now_s = time.monotonic()
        if now_s - self._looked_s > CACHE_S:
            self._looked_s = now_s
            has_proc = os.path.exists("/proc/self/environ")  # noqa: PTH110 - asked every two seconds
            self._held = frozenset(_find_ids() if has_proc else self._reserved)
        return self._held


def _find_ids() -> Iterator[str]:
    for name in os.listdir("/proc"):  # noqa: PTH208
        if name.isdecimal():
            with contextlib.suppress(OSError), open(f"/proc/{name}/environ", "rb") as file:  # noqa: PTH123
                yield from _read_ids(file.read())


def _read_ids(environ: bytes) -> Iterator[str]:
    for line in environ.split(b"\0"):
        if line.startswith(_PREFIX):
            yield from line.removeprefix(_PREFIX).decode(errors="replace").split(",")
