"""Workloads for contract tests: small programs with a known behaviour, and what they print."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from enum import StrEnum
from typing import Protocol

from serai.domain.observation import Workload
from serai.domain.spec import Spec

NAME = "kit"


class Model(StrEnum):
    """What a workload of the kit does.

    POLITE prints `greeting`, listens, and on SIGTERM prints GOODBYE and ends with exit code 0. STUBBORN does the same
    but ignores SIGTERM. CRASHING ends at once with EXIT_CODE. SILENT runs and never listens.
    """

    POLITE = "polite"
    STUBBORN = "stubborn"
    CRASHING = "crashing"
    SILENT = "silent"


EXIT_CODE = 7
GOODBYE = "goodbye"
STORY = ("one", "two", "three", "four", "five")

_START = """
import os, signal, socket, sys, time
who = " ".join(os.environ.get(key, "-") for key in ("SERAI_DEPLOYMENT", "SERAI_VERSION", "SERAI_REPLICA", "KIT"))
print("I am", who)
"""
_END = """
def end(*_):
    print("goodbye")
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
"""
_SERVE = """
print(*("one", "two", "three", "four", "five"), sep="\\n")
print("oops", file=sys.stderr)
server = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
while True:
    client, _ = server.accept()
    with client:
        try:
            client.recv(65536)
            client.sendall(b"HTTP/1.1 200 OK\\r\\nConnection: close\\r\\n\\r\\n" + who.encode())
        except OSError:
            pass
"""
_PROGRAMS = {
    Model.POLITE: _START + _END + _SERVE,
    Model.STUBBORN: _START + "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + _SERVE,
    Model.CRASHING: _START + f"sys.exit({EXIT_CODE})\n",
    Model.SILENT: _START + _END + "while True:\n    time.sleep(1)\n",
}


def greeting(workload: Workload, replica: str) -> str:
    """Return the first line that a replica of a POLITE workload prints."""
    return f"I am {workload.deployment} {workload.version} {replica} {workload.env['KIT']}"


class WorkloadFactory(Protocol):
    """Make a workload of the kit. The same arguments give an equal workload."""

    def __call__(
        self, model: Model = Model.POLITE, version: int = 1, count: int = 1, run: int = 1, drain_timeout_s: float = 10.0
    ) -> Workload: ...


def make_workload(
    model: Model = Model.POLITE, version: int = 1, count: int = 1, run: int = 1, drain_timeout_s: float = 10.0
) -> Workload:
    """Return a workload that any scheduler can run that starts processes on this machine.

    `run` makes the digest; `version` makes the id. It has no bundle and needs nothing but this Python.
    """
    command = (sys.executable, "-I", "-S", "-u", "-c", _PROGRAMS[model])
    spec = Spec(command=command, drain_timeout_s=drain_timeout_s)
    return Workload(f"{NAME}-v{version}", NAME, version, spec, f"{model.value}-{run}", count, make_env(version))


def make_env(version: int) -> Mapping[str, str]:
    return {"SERAI_DEPLOYMENT": NAME, "SERAI_VERSION": str(version), "KIT": "set"}
