"""Put the plugin into an agent's plugin_dir: Nomad runs executable files, so a script that becomes this interpreter."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from serai.domain.errors import SeraiError

from . import NAME


def install(folder: str | Path) -> Path:
    """Write the executable into `folder`, which is made where it is missing; return its path. Idempotent.

    `exec`, as Nomad signals and waits for the process it started; -P, as the agent's current folder must not shadow
    modules.
    """
    path = Path(folder).absolute() / NAME
    text = f"#!/bin/sh\nexec {shlex.quote(sys.executable)} -P -m serai_gpu\n"
    part = path.with_name(f".{NAME}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(text, encoding="utf-8")
        part.chmod(0o755)
        part.replace(path)
    except OSError as error:
        raise SeraiError(f"{path} cannot be written: {error.strerror}") from error
    return path
