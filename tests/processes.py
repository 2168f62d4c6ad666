"""Which processes there are, read from /proc at once: tests that wait for one look many times a second."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def find_pids(file: str, part: str) -> Iterator[int]:
    """Yield the processes whose /proc/<pid>/<file> (cmdline, environ) holds `part`."""
    wanted = part.encode()
    for name in os.listdir("/proc"):  # noqa: PTH208 - hundreds, and often
        if name.isdigit():
            with suppress(OSError):
                if wanted in Path("/proc", name, file).read_bytes():
                    yield int(name)
