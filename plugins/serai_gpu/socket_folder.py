"""The folder of the plugin's socket: private, named after the process, and cleaned up after those that were killed."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_NAME = re.compile(r"serai-gpu-(\d+)-\w+")


@contextmanager
def socket_folder(env: dict[str, str] | os._Environ[str] = os.environ) -> Iterator[Path]:
    """Give a folder that only this user may enter; it goes when the `with` ends.

    Short paths only: a socket's path has at most 107 bytes, so it stands in the folder Nomad names, or in TMPDIR.
    """
    parent = Path(env.get("PLUGIN_UNIX_SOCKET_DIR") or tempfile.gettempdir())
    sweep(parent)
    folder = Path(tempfile.mkdtemp(prefix=f"serai-gpu-{os.getpid()}-", dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sweep(parent: Path) -> None:
    """Remove folders of ours whose process is gone; others' folders and links are left alone."""
    for path in parent.glob("serai-gpu-*"):
        match = _NAME.fullmatch(path.name)
        with contextlib.suppress(OSError):
            info = path.lstat()
            if match and stat.S_ISDIR(info.st_mode) and info.st_uid == os.getuid() and not _is_alive(int(match[1])):
                shutil.rmtree(path, ignore_errors=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
