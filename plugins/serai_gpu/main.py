"""`python -m serai_gpu`: the plugin where Nomad starts it; for people, `install` puts it into an agent's plugin_dir."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

USAGE = """This is a device plugin for Nomad's client agents, which start it by themselves.

  python -m serai_gpu install DIR    write the executable into DIR, which an agent's configuration names:

plugin_dir = "DIR"
plugin "serai-gpu" {
  config {
    mode = "nvml"    # or "simulated", with models = ["A100-40GB:2", "T4:1"]
  }
}
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve, install or explain; return the exit code."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    try:
        import google.protobuf  # noqa: F401
        import grpc  # noqa: F401
        import msgpack  # noqa: F401
    except ImportError as error:
        sys.stderr.write(f"the plugin needs {error.name}, which is missing; install Serai with its extra: serai[gpu]\n")
        return 1
    if words[:1] == ["install"] and len(words) == 2:
        return _install(words[1])
    from .serving import is_started_by_nomad, serve

    if words or not is_started_by_nomad(os.environ):
        sys.stderr.write(USAGE)
        return 2
    from .hclog import start_logging

    start_logging()
    serve()
    return 0


def _install(folder: str) -> int:
    from serai.domain.errors import SeraiError

    from .install import install

    try:
        sys.stdout.write(f"{install(folder)}\n")
    except SeraiError as error:
        sys.stderr.write(f"{error.message}\n")
        return 1
    return 0
