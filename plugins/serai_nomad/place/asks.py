"""What a job asks of a node for each replica, read from its definition."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from serai_nomad.facts import Json

from .conditions import DISTINCT_HOSTS, Constraint, parse_constraint
from .lifecycles import needed_at_once

# What Nomad puts in where a job says nothing.
_CPU_MHZ, _MEMORY_MB, _DISK_MB = 100, 300, 300


@dataclass(frozen=True, slots=True)
class DeviceAsk:
    """`name` is `type`, `vendor/type` or `vendor/type/model`."""

    name: str
    count: int = 1
    constraints: tuple[Constraint, ...] = ()


@dataclass(frozen=True, slots=True)
class VolumeAsk:
    source: str
    read_only: bool = True


@dataclass(frozen=True, slots=True)
class Ask:
    """One replica's demand. `mhz` counts where `cores` is 0: whole cores bring their own."""

    job: str
    namespace: str = "default"
    pool: str = "default"
    datacenters: tuple[str, ...] = ("*",)
    mhz: int = 0
    cores: int = 0
    memory_mb: int = 0
    disk_mb: int = 0
    devices: tuple[DeviceAsk, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    drivers: frozenset[str] = frozenset()
    volumes: tuple[VolumeAsk, ...] = ()
    ports: frozenset[int] = frozenset()
    is_alone: bool = False  # distinct_hosts: one replica a node


def parse_ask(definition: Json) -> Ask:
    """Return what one replica of the job's first group asks for; of a job just rendered or as Nomad returns it."""
    group: Json = (definition.get("TaskGroups") or [{}])[0]
    tasks: list[Json] = list(group.get("Tasks") or ())
    constraints = tuple(parse_constraint(c) for holder in (definition, group, *tasks) for c in _listed(holder))
    return Ask(
        job=definition.get("ID") or "",
        namespace=definition.get("Namespace") or "default",
        pool=definition.get("NodePool") or "default",
        datacenters=tuple(definition.get("Datacenters") or ("*",)),
        mhz=_together(tasks, _mhz),
        cores=sum(_cores(task) for task in tasks),  # reserved for the whole of a replica's life
        memory_mb=_together(tasks, _memory),
        disk_mb=int((group.get("EphemeralDisk") or {}).get("SizeMB") or _DISK_MB),
        devices=tuple(_parse_device(d) for task in tasks for d in _resources(task).get("Devices") or ()),
        constraints=constraints,
        drivers=frozenset(task["Driver"] for task in tasks if task.get("Driver")),
        volumes=tuple(_parse_volumes(group.get("Volumes") or {})),
        ports=frozenset(_parse_ports(group)),
        is_alone=any(c.operand == DISTINCT_HOSTS and c.right != "false" for c in constraints),
    )


def _listed(holder: Json) -> Iterable[Json]:
    return holder.get("Constraints") or ()


def _resources(task: Json) -> Json:
    return task.get("Resources") or {}


def _mhz(task: Json) -> int:
    resources = _resources(task)
    return 0 if resources.get("Cores") else int(resources.get("CPU") or _CPU_MHZ)


def _cores(task: Json) -> int:
    return int(_resources(task).get("Cores") or 0)


def _memory(task: Json) -> int:
    return int(_resources(task).get("MemoryMB") or _MEMORY_MB)


def _together(tasks: list[Json], figure: Callable[[Json], int]) -> int:
    return needed_at_once((figure(task), task.get("Lifecycle")) for task in tasks)


def _parse_device(raw: Json) -> DeviceAsk:
    count = raw.get("Count")
    return DeviceAsk(raw["Name"], 1 if count is None else int(count), tuple(parse_constraint(c) for c in _listed(raw)))


def _parse_volumes(volumes: Mapping[str, Json]) -> Iterable[VolumeAsk]:
    for volume in volumes.values():
        if volume.get("Type", "host") == "host" and not volume.get("PerAlloc"):
            yield VolumeAsk(volume.get("Source") or "", bool(volume.get("ReadOnly")))


def _parse_ports(group: Json) -> Iterable[int]:
    for network in group.get("Networks") or ():
        for port in network.get("ReservedPorts") or ():
            if not port.get("IgnoreCollision"):
                yield int(port["Value"])
