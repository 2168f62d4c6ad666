"""Started by path under `python -I -S`: make the package importable, then run."""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[:1] = []  # this folder: its modules are parts of a package
    sys.path.append(str(Path(__file__).resolve().parents[2]))
    from serai_local.shim.main import run

    sys.exit(run(sys.argv[1]))
