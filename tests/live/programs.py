"""Programs that Nomad starts by their file, whatever the name of the folder that the Python at hand lies in."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

# A first line cannot name a program whose path has a space; to the shell these are a command, to Python a text.
_BOTH = "#!/bin/sh\n'''exec' {python} -P \"$0\" \"$@\"\n' '''\n"


def write_program(path: Path, code: str) -> None:
    """Make `path` an executable file that runs `code` by this Python."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_BOTH.format(python=shlex.quote(sys.executable)) + code)
    path.chmod(0o755)
