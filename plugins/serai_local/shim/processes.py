"""What the operating system says about processes: descendants, their memory, the ports they listen on.

Linux answers from /proc; elsewhere `ps` does, and what it does not know is left out.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

IS_LINUX = sys.platform.startswith("linux")
_PR_SET_CHILD_SUBREAPER = 36
_LISTENING = "0A"


def become_subreaper() -> None:
    """Have orphaned descendants, daemons too, become children of this process (Linux)."""
    if IS_LINUX:
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def start_time(pid: int) -> int:
    """Return the start of a process in clock ticks since boot; 0 when it is gone or not known."""
    fields = stat_fields(pid)
    return int(fields[19]) if fields else 0


def descendants(root: int) -> list[int]:
    """Return the pids of all children of `root` and theirs, zombies left out."""
    children: dict[int, list[int]] = {}
    for pid, parent in _parents():
        children.setdefault(parent, []).append(pid)
    found, queue = [], [root]
    while queue:
        below = children.get(queue.pop(), [])
        found += below
        queue += below
    return found


def group_of(pid: int) -> int:
    """Return the process group of `pid`, 0 when it is gone."""
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return 0


def kill_all(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def kill_group(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def resident_bytes(pids: Iterable[int]) -> int:
    """Return the sum of their resident memory; pages that several share count once for each."""
    page = os.sysconf("SC_PAGE_SIZE")
    return sum(int(fields[21]) * page for pid in pids if (fields := stat_fields(pid)))


def proportional_bytes(pids: Iterable[int]) -> int:
    """Return the sum of their memory with shared pages divided among the sharers; dearer than `resident_bytes`."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
            total += 1024 * next((int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")), 0)
    return total


def oom_kills() -> int:
    """Return how many processes the kernel has killed for want of memory since boot; 0 when not known."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/vmstat").read_text().splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return 0


def listening(pids: Iterable[int]) -> list[tuple[str, int]]:
    """Return the (address, port) pairs that these processes listen on, in order of ports (Linux)."""
    inodes = {inode for pid in pids for inode in _socket_inodes(pid)}
    return sorted(
        {(host, port) for inode, host, port in _listening_sockets() if inode in inodes}, key=lambda pair: pair[1]
    )


def _parents() -> Iterator[tuple[int, int]]:
    if not IS_LINUX:
        yield from _parents_by_ps()
        return
    for entry in os.scandir("/proc"):
        if entry.name.isdigit() and (fields := stat_fields(int(entry.name))) and fields[0] != "Z":
            yield int(entry.name), int(fields[1])


def _parents_by_ps() -> Iterator[tuple[int, int]]:
    with os.popen("ps -axo pid=,ppid=") as output:  # noqa: S605 - a constant
        for line in output:
            pid, parent = line.split()
            yield int(pid), int(parent)


def stat_fields(pid: int) -> list[str]:
    """Return /proc/PID/stat from the state (field 3) on; empty when there is none."""
    try:
        fd = os.open(f"/proc/{pid}/stat", os.O_RDONLY)
    except OSError:
        return []
    try:
        return os.read(fd, 4096).decode("ascii", "replace").rpartition(")")[2].split()
    except OSError:
        return []
    finally:
        os.close(fd)


def _socket_inodes(pid: int) -> Iterator[str]:
    with contextlib.suppress(OSError):
        for entry in os.scandir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                target = str(Path(entry.path).readlink())
                if target.startswith("socket:["):
                    yield target[8:-1]


def _listening_sockets() -> Iterator[tuple[str, str, int]]:
    for name, family in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == _LISTENING:
                    host, _, port = fields[1].partition(":")
                    yield fields[9], _decode_address(host, family), int(port, 16)


def _decode_address(digits: str, family: socket.AddressFamily) -> str:
    """Return the address that the kernel writes as words of 32 bits in the machine's byte order."""
    words = [int(digits[at : at + 8], 16).to_bytes(4, sys.byteorder) for at in range(0, len(digits), 8)]
    return socket.inet_ntop(family, b"".join(words))
