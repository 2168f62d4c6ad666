"""Pools of memory, asked of glibc itself by a process of many threads."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import pytest

# Twenty threads hold memory at the same time; glibc then writes down its pools.
PROGRAM = """
import ctypes, sys, threading
from serai.app.allocator import share_arenas
if sys.argv[2:]:
    share_arenas()
libc, all_hold = ctypes.CDLL(None), threading.Barrier(21)
libc.malloc.restype = libc.fopen.restype = ctypes.c_void_p
libc.malloc.argtypes, libc.free.argtypes = [ctypes.c_size_t], [ctypes.c_void_p]
libc.malloc_info.argtypes, libc.fclose.argtypes = [ctypes.c_int, ctypes.c_void_p], [ctypes.c_void_p]
def hold():
    place = libc.malloc(50_000)
    all_hold.wait()
    libc.free(place)
threads = [threading.Thread(target=hold) for _ in range(20)]
for thread in threads:
    thread.start()
all_hold.wait()
for thread in threads:
    thread.join()
file = libc.fopen(sys.argv[1].encode(), b"w")
libc.malloc_info(0, file)
libc.fclose(file)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc: this is another C library")
def test_threads_share_two_pools(tmp_path: Path) -> None:
    assert count_pools(tmp_path / "alone") > 2
    assert count_pools(tmp_path / "shared", "share") == 2


def count_pools(report: Path, *arguments: str) -> int:
    subprocess.run([sys.executable, "-c", PROGRAM, report, *arguments], check=True, timeout=30)
    return report.read_text().count("<heap nr=")
