"""What tasks of the exec driver see: this Python and the shell, not the whole machine, which takes long to link."""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path

# Where it finds this Python; `python3` is enough, too. Its own path may lead through a folder that is closed to the
# user that exec's tasks run as.
EXEC_PYTHON = "/usr/local/bin/python3"
_UNWANTED = ("test", "idlelib", "lib2to3", "tkinter", "turtledemo", "site-packages", "dist-packages", "__pycache__")
_PLACES = ("/bin", "/usr/bin", "/lib64", "/usr/lib64", "/etc", *map(str, Path("/lib").glob("*-linux-gnu")))
# The interpreter's own library, if it has one, may be where it looks first, or not be there at all.
_WRAPPER = """#!/bin/sh
LD_LIBRARY_PATH=/usr/local/lib exec {python} "$@"
"""


def make_chroot(folder: Path) -> dict[str, str]:
    """Return the client's `chroot_env`: paths of this machine to paths in the chroot. `folder` gets a file of ours."""
    library = Path(sysconfig.get_path("stdlib"))
    python = Path(sys.executable).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    wrapper = folder / "python3"
    wrapper.write_text(_WRAPPER.format(python=f"{EXEC_PYTHON}-real"))
    wrapper.chmod(0o755)
    modules = [entry for entry in library.iterdir() if entry.name not in _UNWANTED]
    return (
        {path: path for path in _PLACES if Path(path).exists()}
        | {str(entry): f"/usr/local/lib/{library.name}/{entry.name}" for entry in modules}
        | {str(shared): f"/usr/local/lib/{shared.name}" for shared in library.parent.glob("libpython3*.so*")}
        | {str(python): f"{EXEC_PYTHON}-real", str(wrapper): EXEC_PYTHON}
    )
