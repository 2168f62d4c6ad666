"""What Nomad said, as values: one job with its allocations, evaluations and checks; the nodes and what is held there.

Nothing here talks to Nomad or decides anything. Raw answers stay raw (`Json`) where only one module reads them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Remembered:
    """What this server saw of a replica and Nomad does not tell: that it was ready, since when, its restarts by then.

    It has to be kept as long as the replica is listed, ended or not: crashes are counted from it.
    """

    was_ready: bool = False
    restarts_when_ready: int = 0
    ready_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class JobFacts:
    """One job of ours, read in the order job, allocations, checks, evaluations.

    `count` is 0 for a stopped job. `digest` is that of the newest job version, `digests` maps older job versions
    (an allocation's `JobVersion`) to theirs where they differ or are known. `definition` is the whole job as
    `GET /v1/job/:id` gives it, {} while nothing needed it. `allocations` are stubs with TaskStates, `evaluations`
    those of the job. `checks` maps allocation ids to the answer of `/v1/client/allocation/:id/checks`: a mapping by
    check id; {} where Nomad said null; None where there was no answer; absent where nobody asked. `addresses` maps
    allocation ids to `host:port`, `gpus` to the ids of their devices. `has_check` says whether the job has a check,
    `is_checked_by_nomad` whether Nomad makes it, so that its health flags mean something. `served_since` is when this
    server began to hand out bundles: before that there was none, and that nodes could not fetch them is no crash.
    """

    id: str
    digest: str
    count: int
    is_stopped: bool
    version: int
    create_index: int
    has_check: bool = True
    is_checked_by_nomad: bool = True
    definition: Json = field(default_factory=dict)
    digests: Mapping[int, str] = field(default_factory=dict)
    allocations: tuple[Json, ...] = ()
    evaluations: tuple[Json, ...] = ()
    checks: Mapping[str, Json | None] = field(default_factory=dict)
    addresses: Mapping[str, str] = field(default_factory=dict)
    gpus: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    remembered: Mapping[str, Remembered] = field(default_factory=dict)
    served_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class DeviceInstance:
    id: str
    is_healthy: bool = True
    description: str = ""


@dataclass(frozen=True, slots=True)
class DeviceGroup:
    """Devices of one vendor, type and model on a node. `memory_bytes` is None where the plugin does not tell."""

    vendor: str
    type: str
    model: str
    instances: tuple[DeviceInstance, ...]
    memory_bytes: int | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """One client. Figures are what jobs may use: what the node has less what it reserves for itself.

    `mhz` is the whole node's, `core_mhz` that of a core, `cores` the number of cores that jobs may reserve.
    `drivers` are the healthy, detected ones. `volumes` are host volumes, `read_only_volumes` those of them that
    nobody may write.
    `addresses` is the number of addresses at which it hands out ports.
    `is_ready`: status ready, eligible and not draining, that is: Nomad would place something there.
    `attributes` and `meta` are whole only if `is_detailed`: the list of nodes tells a part of the attributes.
    """

    id: str
    name: str
    pool: str
    datacenter: str
    node_class: str
    status: str
    is_eligible: bool
    is_draining: bool
    mhz: int
    cores: int
    memory_mb: int
    disk_mb: int
    devices: tuple[DeviceGroup, ...] = ()
    drivers: frozenset[str] = frozenset()
    volumes: frozenset[str] = frozenset()
    attributes: Mapping[str, str] = field(default_factory=dict)
    meta: Mapping[str, str] = field(default_factory=dict)
    read_only_volumes: frozenset[str] = frozenset()
    is_detailed: bool = False
    core_mhz: int = 0
    addresses: int = 1

    @property
    def is_ready(self) -> bool:
        return self.status == "ready" and self.is_eligible and not self.is_draining


@dataclass(frozen=True, slots=True)
class Holding:
    """What one allocation that is not terminal holds on a node. `device_ids` by (vendor, type, model)."""

    allocation: str
    job: str
    namespace: str
    node: str
    mhz: int
    cores: int
    memory_mb: int
    disk_mb: int = 0
    ports: frozenset[int] = frozenset()
    device_ids: Mapping[tuple[str, str, str], tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class ClusterFacts:
    """The nodes and what is held on them, as one read of each list gave it. Two reads are never the same."""

    nodes: tuple[NodeFacts, ...] = ()
    holdings: tuple[Holding, ...] = ()
