"""Python programs as child processes: some are killed, some get a disk of their own that is small."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

_MOUNT = 'mount -t tmpfs -o size=1m tmpfs "$1" && exec "$2" -c "$3" "$1"'


@contextmanager
def child(program: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run a program that prints to its `stdout`; it is killed (SIGKILL) in the end, if not before."""
    process = subprocess.Popen([sys.executable, "-c", program, *arguments], stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def run_on_small_disk(folder: Path, program: str) -> Any:
    """Run a program with a file system of 1 MiB at sys.argv[1]; return the JSON that it prints."""
    folder.mkdir()
    command = ["unshare", "-Urm", "sh", "-c", _MOUNT, "sh", str(folder), sys.executable, program]
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    except FileNotFoundError:
        pytest.skip("a small disk needs unshare (util-linux)")
    if done.returncode and ("unshare:" in done.stderr or "mount:" in done.stderr):
        pytest.skip(f"a small disk needs user namespaces: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
