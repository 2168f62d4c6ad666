"""Unpacking the bundle. Runs in a forked process, so that what it imports goes away with it."""

from __future__ import annotations

import importlib
import sys
import types
from pathlib import Path

from serai_local.layout import NO_SPACE

BROKEN = 10
DISK_FULL = 11
MISSING = 12


def unpack_bundle(source_root: str, bundle: Path, work: Path) -> None:
    """Unpack `bundle` into the new folder `work`, by the code that checks uploads; else exit with a code above."""
    if not bundle.exists():
        sys.stdout.write(f"the bundle {bundle.name} is not there\n")
        _exit(MISSING)
    archive = _load_archive(source_root)
    try:
        archive.unpack(bundle, work)
    except OSError as error:
        sys.stdout.write(f"{error}\n")
        _exit(DISK_FULL if error.errno in NO_SPACE else BROKEN)
    except Exception as error:
        sys.stdout.write(f"{error}\n")
        _exit(DISK_FULL if getattr(error, "code", "") == "disk-full" else BROKEN)


def remove_tree(folder: Path) -> None:
    """Remove a folder and all that is in it, read-only parts too."""
    shutil = importlib.import_module("shutil")
    for path in [folder, *folder.rglob("*")]:
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)


def _load_archive(source_root: str) -> types.ModuleType:
    """Import `serai.plugin.archive` without its package's `__init__`, which needs third-party packages."""
    sys.path.append(source_root)
    package = types.ModuleType("serai.plugin")
    package.__path__ = [str(Path(source_root, "serai", "plugin"))]
    sys.modules["serai.plugin"] = package
    return importlib.import_module("serai.plugin.archive")


def _exit(code: int) -> None:
    sys.stdout.flush()
    raise SystemExit(code)
