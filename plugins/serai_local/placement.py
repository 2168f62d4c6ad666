"""Whether one more replica finds a place, and which; or in a sentence why it has to wait."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass

import psutil

from serai.domain.reasons import Reason, make_reason
from serai.domain.spec import Spec

from .machine import Machine, choose_gpus, explain_taken_gpus, find_excess
from .ports import choose_port, is_free
from .record import Placed
from .settings import LocalSettings

_HOLDER_AGE_S = 5.0


@dataclass(frozen=True, slots=True)
class Place:
    port: int
    gpus: tuple[str, ...] = ()


class Placement:
    """Hands out ports and GPUs. It keeps no books: what is taken is what live replicas have."""

    def __init__(self, machine: Machine, settings: LocalSettings) -> None:
        self._machine, self._settings = machine, settings
        self._holders: dict[int, tuple[float, str]] = {}  # port -> (when asked, who)

    def find(self, spec: Spec, live: Collection[Placed]) -> Place | Reason:
        """Return a place beside the `live` replicas, or why there is none. Nothing is set aside by asking."""
        if excess := find_excess(spec, self._machine):
            return excess
        gpus = self._find_gpus(spec, live)
        if isinstance(gpus, Reason):
            return gpus
        port = self._find_port(spec, live)
        return port if isinstance(port, Reason) else Place(port, gpus)

    def _find_gpus(self, spec: Spec, live: Collection[Placed]) -> tuple[str, ...] | Reason:
        gpu = spec.resources.gpu
        if gpu is None:
            return ()
        holders = gpu_holders(live)
        return choose_gpus(gpu, self._machine, holders) or explain_taken_gpus(gpu, self._machine, holders)

    def _find_port(self, spec: Spec, live: Collection[Placed]) -> int | Reason:
        holders = {placed.port: placed.id for placed in live}
        if spec.port is None:
            port = choose_port(self._settings.first_port, self._settings.last_port, holders)
            range_ = f"{self._settings.first_port}-{self._settings.last_port}"
            return port or make_reason("no-capacity", f"All ports of {range_} are in use.")
        if holder := holders.get(spec.port):
            return make_reason("port-taken", f"Port {spec.port} is used by the replica {holder}.")
        if is_free(spec.port):
            return spec.port
        return make_reason("port-taken", f"Port {spec.port} is used by {self._find_holder(spec.port)}.")

    def _find_holder(self, port: int) -> str:
        """Return the name of a foreign program; looked up now and then only, as that reads all of /proc."""
        asked_at, name = self._holders.get(port, (float("-inf"), ""))
        if time.monotonic() - asked_at > _HOLDER_AGE_S:
            name = find_listener(port)
            self._holders[port] = (time.monotonic(), name)
        return name


def gpu_holders(live: Iterable[Placed]) -> dict[str, str]:
    """Return GPU id -> workload id of all that are held."""
    return {gpu: placed.workload for placed in live for gpu in placed.gpus}


def find_listener(port: int) -> str:
    """Return who listens on `port`, as far as we may know."""
    try:
        for connection in psutil.net_connections("tcp"):
            here = connection.laddr
            if here and connection.status == psutil.CONN_LISTEN and here.port == port and connection.pid:
                return f"{psutil.Process(connection.pid).name()} (process {connection.pid})"
    except psutil.Error:
        pass
    return "another program"
