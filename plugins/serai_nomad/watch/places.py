"""What each allocation was given, which stays the same for all its life: address, GPUs, resources."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from serai.domain.errors import NotFound
from serai_nomad.facts import Json
from serai_nomad.names import PORT_LABEL


@dataclass(frozen=True, slots=True)
class Place:
    """`address` is host:port, "" for a job without a port; `gpus` are device ids; `resources` as Nomad tells them."""

    address: str = ""
    gpus: tuple[str, ...] = ()
    resources: Json = field(default_factory=dict, compare=False)


class Places:
    """Keeps the place of each allocation. `read` fetches one allocation in full, or raises NotFound."""

    def __init__(self, read: Callable[[str], Json]) -> None:
        self._read = read
        self._known: dict[str, Place] = {}

    def get(self, allocation: str) -> Place:
        return self._known.get(allocation, Place())

    def note(self, rows: Iterable[Json]) -> None:
        """Keep the places of allocations that were read with their resources."""
        for row in rows:
            if row.get("AllocatedResources"):
                self._known[row["ID"]] = derive_place(row)

    def learn(self, rows: Iterable[Json]) -> None:
        """Fetch the places of running allocations that are not known yet."""
        for row in rows:
            if row["ID"] not in self._known and row.get("ClientStatus") in {"pending", "running", "unknown"}:
                try:
                    self.note([self._read(row["ID"])])
                except NotFound:
                    continue

    def keep(self, allocations: Iterable[str]) -> None:
        """Forget all but these."""
        kept = set(allocations)
        self._known = {id: place for id, place in self._known.items() if id in kept}


def derive_place(allocation: Json) -> Place:
    """Return where an allocation with its `AllocatedResources` is."""
    resources: Json = allocation.get("AllocatedResources") or {}
    shared: Json = resources.get("Shared") or {}
    tasks: Mapping[str, Json] = resources.get("Tasks") or {}
    ports = [port for port in shared.get("Ports") or () if port.get("Label") == PORT_LABEL]
    devices = [device for task in tasks.values() for device in task.get("Devices") or ()]
    return Place(
        address=_format_address(ports[0]["HostIP"], ports[0]["Value"]) if ports else "",
        gpus=tuple(id for device in devices for id in device.get("DeviceIDs") or ()),
        resources=resources,
    )


def _format_address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
