"""The lists of nodes and allocations as ClusterFacts; and which nodes have to be read in detail for it.

A look takes two calls, however large the cluster: `/v1/nodes?resources=true` and `/v1/allocations?resources=true`.
The list of nodes lacks meta data and most attributes; those come from `/v1/node/:id`, which is read once for each
change of a node (its ModifyIndex moves with status, drain, fingerprints and device health, never with allocations).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from serai_nomad.facts import ClusterFacts, DeviceGroup, DeviceInstance, Holding, Json, NodeFacts

from .device_attributes import Quantity, read_attribute
from .lifecycles import needed_at_once

# Of allocations, those that still hold something: a replica that is being stopped holds its place until it has ended.
ENDED = frozenset({"complete", "failed", "lost"})
HOLDING_FILTER = " and ".join(f'ClientStatus != "{status}"' for status in sorted(ENDED))


@dataclass(frozen=True, slots=True)
class NodeDetail:
    """What only `/v1/node/:id` tells, as of `index`."""

    index: int
    attributes: Mapping[str, str] = field(default_factory=dict)
    meta: Mapping[str, str] = field(default_factory=dict)


def parse_detail(node: Json) -> NodeDetail:
    return NodeDetail(
        int(node.get("ModifyIndex") or 0), dict(node.get("Attributes") or {}), dict(node.get("Meta") or {})
    )


def find_unread(nodes: Iterable[Json], details: Mapping[str, NodeDetail]) -> list[str]:
    """Return the nodes of a list whose detail is missing or older than the list says."""
    return [n["ID"] for n in nodes if n["ID"] not in details or details[n["ID"]].index < int(n["ModifyIndex"])]


def parse_cluster(
    nodes: Sequence[Json], allocations: Sequence[Json], details: Mapping[str, NodeDetail] | None = None
) -> ClusterFacts:
    """Return the nodes in the order of their names, with what allocations that have not ended hold."""
    known = details or {}
    found = sorted((parse_node(node, known.get(node["ID"])) for node in nodes), key=lambda node: (node.name, node.id))
    return ClusterFacts(
        tuple(found), tuple(parse_holding(a) for a in allocations if a.get("ClientStatus") not in ENDED)
    )


def parse_node(node: Json, detail: NodeDetail | None = None) -> NodeFacts:
    """Return one row of `/v1/nodes?resources=true`."""
    has: Json = node.get("NodeResources") or {}
    keeps: Json = node.get("ReservedResources") or {}
    drivers: Mapping[str, Json] = node.get("Drivers") or {}
    volumes: Mapping[str, Json] = node.get("HostVolumes") or {}
    return NodeFacts(
        id=node["ID"],
        name=node.get("Name") or node["ID"][:8],
        pool=node.get("NodePool") or "default",
        datacenter=node.get("Datacenter") or "",
        node_class=node.get("NodeClass") or "",
        status=node.get("Status") or "",
        is_eligible=node.get("SchedulingEligibility", "eligible") == "eligible",
        is_draining=bool(node.get("Drain")),
        mhz=_figure(has, "Cpu", "CpuShares") - _figure(keeps, "Cpu", "CpuShares"),
        cores=_count_cores(has.get("Cpu") or {}),
        memory_mb=_figure(has, "Memory", "MemoryMB") - _figure(keeps, "Memory", "MemoryMB"),
        core_mhz=_core_mhz(has),
        disk_mb=_figure(has, "Disk", "DiskMB") - _figure(keeps, "Disk", "DiskMB"),
        devices=tuple(parse_group(group) for group in has.get("Devices") or ()),
        drivers=frozenset(name for name, d in drivers.items() if d.get("Detected") and d.get("Healthy")),
        volumes=frozenset(volumes),
        read_only_volumes=frozenset(name for name, volume in volumes.items() if volume.get("ReadOnly")),
        attributes=detail.attributes if detail else _known_attributes(node),
        meta=detail.meta if detail else {},
        is_detailed=detail is not None,
        addresses=_count_addresses(has),
    )


def _figure(resources: Json, part: str, name: str) -> int:
    return int((resources.get(part) or {}).get(name) or 0)


def _count_cores(cpu: Json) -> int:
    """Return how many cores jobs may reserve: those of the node without the ones an operator keeps back."""
    reservable = cpu.get("ReservableCpuCores")
    return len(reservable) if reservable else int(cpu.get("TotalCpuCores") or 0)


def _core_mhz(resources: Json) -> int:
    """Return what one core brings: the node's compute shared among all its cores, kept back or not."""
    topology: Json = (resources.get("Processors") or {}).get("Topology") or {}
    cores = len(topology.get("Cores") or ()) or int((resources.get("Cpu") or {}).get("TotalCpuCores") or 0)
    return _figure(resources, "Cpu", "CpuShares") // cores if cores else 0


def _count_addresses(resources: Json) -> int:
    """Return at how many addresses ports are handed out: often IPv4 and IPv6 of one interface."""
    networks: Sequence[Json] = resources.get("NodeNetworks") or ()
    aliases = [address.get("Alias") for network in networks for address in network.get("Addresses") or ()]
    return max(1, aliases.count("default"))


def _known_attributes(node: Json) -> Mapping[str, str]:
    """Return the attributes that the list tells: those of drivers, but for the marks that name the drivers."""
    found = {"nomad.version": node.get("Version") or ""}
    for name, driver in (node.get("Drivers") or {}).items():
        found |= {key: text for key, text in (driver.get("Attributes") or {}).items() if key != f"driver.{name}"}
    return found


def parse_group(group: Json) -> DeviceGroup:
    attributes: Mapping[str, Json] = group.get("Attributes") or {}
    memory = read_attribute(attributes["memory"]) if attributes.get("memory") else None
    return DeviceGroup(
        vendor=group.get("Vendor") or "",
        type=group.get("Type") or "",
        model=group.get("Name") or "",
        instances=tuple(
            DeviceInstance(unit["ID"], bool(unit.get("Healthy")), unit.get("HealthDescription") or "")
            for unit in sorted(group.get("Instances") or (), key=lambda unit: str(unit["ID"]))
        ),
        memory_bytes=int(memory.amount) if isinstance(memory, Quantity) and memory.base == "byte" else None,
        attributes=attributes,
    )


def parse_holding(allocation: Json) -> Holding:
    """Return what one allocation with its AllocatedResources holds."""
    resources: Json = allocation.get("AllocatedResources") or {}
    shared: Json = resources.get("Shared") or {}
    tasks: Mapping[str, Json] = resources.get("Tasks") or {}
    lifecycles: Mapping[str, Json | None] = resources.get("TaskLifecycles") or {}
    pinned = [task for task in tasks.values() if _cores_of(task)]  # their MHz are theirs for all of a replica's life
    shared_mhz = [(0 if _cores_of(t) else _figure(t, "Cpu", "CpuShares"), lifecycles.get(n)) for n, t in tasks.items()]
    return Holding(
        allocation=allocation["ID"],
        job=allocation["JobID"],
        namespace=allocation.get("Namespace") or "default",
        node=allocation.get("NodeID") or "",
        mhz=sum(_figure(task, "Cpu", "CpuShares") for task in pinned) + needed_at_once(shared_mhz),
        cores=sum(_cores_of(task) for task in pinned),
        memory_mb=needed_at_once((_figure(t, "Memory", "MemoryMB"), lifecycles.get(n)) for n, t in tasks.items()),
        disk_mb=int(shared.get("DiskMB") or 0),
        ports=frozenset(int(port["Value"]) for port in shared.get("Ports") or ()),
        device_ids=_held_devices(tasks.values()),
    )


def _cores_of(task: Json) -> int:
    return len((task.get("Cpu") or {}).get("ReservedCores") or ())


def _held_devices(tasks: Iterable[Json]) -> Mapping[tuple[str, str, str], tuple[str, ...]]:
    held: dict[tuple[str, str, str], tuple[str, ...]] = {}
    for device in (device for task in tasks for device in task.get("Devices") or ()):
        key = (device["Vendor"], device["Type"], device["Name"])
        held[key] = held.get(key, ()) + tuple(device.get("DeviceIDs") or ())
    return held
