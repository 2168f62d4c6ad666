"""Where things lie under the data directory, and how a file is replaced. Standard library only: the shim uses it.

DATA/                     0700
  lock                    held by the server that uses the directory
  hints                   a FIFO: shims write the ids of workloads that changed
  environments/<hash>/    virtual environments, by what they were made of
  trash/                  what is being removed
  workloads/<id>/
    workload.json         0600: what was asked for, with the values of secrets
    replicas/<replica>/   appears complete, by one rename: from then on the replica is meant to exist
      replica.json        what the shim is told; never changes
      env.json            0600: the model's environment; removed when the replica has ended
      state.json          what the shim says; nobody else writes it while the lock is held
      lock                held by the shim for its life
      stop                exists once the replica is to end
      pid                 "<pid> <start>" of the process group that runs now, written by itself
      work/               the private copy of the bundle; removed when the replica has ended
      logs/<number>.log   lines in CRI form, the highest number is written to
      shim.err            what the shim could say nowhere else
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from pathlib import Path

NO_SPACE = {errno.ENOSPC, errno.EDQUOT}


class ReplicaDir:
    """The paths of one replica."""

    __slots__ = ("root",)

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def record(self) -> Path:
        return self.root / "replica.json"

    @property
    def env(self) -> Path:
        return self.root / "env.json"

    @property
    def state(self) -> Path:
        return self.root / "state.json"

    @property
    def lock(self) -> Path:
        return self.root / "lock"

    @property
    def stop(self) -> Path:
        return self.root / "stop"

    @property
    def pid(self) -> Path:
        return self.root / "pid"

    @property
    def work(self) -> Path:
        return self.root / "work"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def errors(self) -> Path:
        return self.root / "shim.err"


def try_lock(fd: int) -> bool:
    """Take the lock of a file for as long as it is open; return False where another process has it."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def replace_file(path: Path, text: str) -> None:
    """Put `text` into `path`, readable by the owner only, so that readers see the old or the new, never a part.

    On a full disk the present file is overwritten in place instead, which needs no new block: a reader may then
    catch a torn text. Raise OSError where that fails, too.
    """
    data = text.encode()
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        _write(temporary, data, os.O_TRUNC | os.O_CREAT)
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        if error.errno not in NO_SPACE or not path.exists():
            raise
        _write(path, data, 0)


def _write(path: Path, data: bytes, flags: int) -> None:
    fd = os.open(path, os.O_WRONLY | flags, 0o600)
    try:
        if os.write(fd, data) != len(data):
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        os.ftruncate(fd, len(data))
    finally:
        os.close(fd)
