"""What schedulers are given and what they answer: workloads, replicas, observations, fits, usage, log lines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from .reasons import Reason
from .spec import Spec


@dataclass(frozen=True, slots=True)
class Workload:
    """A version at a count, as a scheduler sees it.

    `digest` names what is run: the version's spec and its start number, never the count. A scheduler keeps a
    replica whose digest it carries and replaces any other. `env` holds what Serai adds to the spec's own
    (`SERAI_DEPLOYMENT`, `SERAI_VERSION`) and the values of its secrets; it must not be logged. `leaving` are the
    replicas to stop first where there are too many: they have been drained.
    """

    id: str
    deployment: str
    version: int
    spec: Spec
    digest: str
    count: int
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    leaving: tuple[str, ...] = ()


class Phase(StrEnum):
    """How far a replica has come, in this order; `STOPPING` and `ENDED` can follow any."""

    PLACED = "placed"
    FETCHING = "fetching"
    INSTALLING = "installing"
    LOADING = "loading"
    CHECKING = "checking"
    READY = "ready"
    BACKING_OFF = "backing-off"
    STOPPING = "stopping"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Replica:
    """One instance of a version, as it is now.

    `live`: a process exists or will be started again. `ready`: the plugin's own judgement from live checks.
    `crashes`: crashes in a row since it was last ready (or since its start, if never). `since`: when `phase`
    began. `digest` is that of the workload it was started for. `address` is `host:port`, empty when unknown.
    """

    id: str
    phase: Phase
    live: bool
    ready: bool
    digest: str
    since: datetime
    started_at: datetime
    address: str = ""
    reason: Reason | None = None
    crashes: int = 0
    node: str = ""
    gpus: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Observation:
    """A workload as the scheduler has it: `count` and `digest` it was last told, its replicas, and why some wait.

    `waiting`: why fewer than `count` replicas are live. `failed`: the scheduler itself gave up. A workload that
    was stopped and still has a story to tell (ended replicas with logs) is observed with count 0.
    """

    digest: str
    count: int
    replicas: tuple[Replica, ...] = ()
    waiting: Reason | None = None
    failed: Reason | None = None


class Verdict(StrEnum):
    NOW = "now"
    LATER = "later"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Fit:
    """Whether a workload would fit: how many replicas at once, and why not all of them.

    LATER: as soon as others leave or machines come back. NEVER: not all of them, even if nothing else ran. `nodes`:
    where replicas could go.
    """

    verdict: Verdict
    placeable: int
    reason: Reason | None = None
    nodes: tuple[str, ...] = ()


OTHER = "other"  # who has a GPU that no workload of ours has


@dataclass(frozen=True, slots=True)
class GpuUnit:
    """One GPU of a node, or another device of its kind.

    `taken_by` is a workload id, OTHER, or "" when it is free; memory in bytes. `problem`: what is known of why it is
    not healthy.
    """

    id: str
    model: str
    memory_bytes: int | None = None
    taken_by: str = ""
    healthy: bool = True
    problem: str = ""


class NodeStatus(StrEnum):
    """Whether a machine takes new replicas: only a READY one does. DISCONNECTED ones may come back as they were."""

    READY = "ready"
    DRAINING = "draining"
    INELIGIBLE = "ineligible"
    DISCONNECTED = "disconnected"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class NodeCapacity:
    """One machine: cores and bytes in all, and what replicas and other jobs there have been promised.

    `pool`, `datacenter` and `node_class` are what a version's `placement` can name; "" where there is no such thing.
    """

    name: str
    cores: float
    cores_taken: float
    memory_bytes: int
    memory_taken_bytes: int
    gpus: tuple[GpuUnit, ...] = ()
    status: NodeStatus = NodeStatus.READY
    pool: str = ""
    datacenter: str = ""
    node_class: str = ""


@dataclass(frozen=True, slots=True)
class GpuUsage:
    """One GPU of a replica. `util` is a percentage; None means not known, never zero. The power is the whole card's."""

    id: str
    model: str
    util: float | None = None
    vram_used_bytes: int | None = None
    vram_total_bytes: int | None = None
    temperature_c: float | None = None
    power_w: float | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """One sample of a replica at `at`. CPU as a fraction of one core (2.0 = two cores busy); None is not known.

    `missing`: why nothing at all can be measured, which somebody has to set right. `workload` is filled in for sinks.
    Disk: what the replica's own folder takes, as of some minutes ago at most, and what it was promised. `restarts`: how
    often its process was started again in this replica's life.
    """

    replica: str
    at: datetime
    cpu_user: float | None = None
    cpu_system: float | None = None
    cpu_cores: float | None = None
    memory_used_bytes: int | None = None
    memory_total_bytes: int | None = None
    gpus: tuple[GpuUsage, ...] = ()
    missing: Reason | None = None
    workload: str = ""
    disk_used_bytes: int | None = None
    disk_total_bytes: int | None = None
    restarts: int | None = None


class Stream(StrEnum):
    STDOUT = "stdout"
    STDERR = "stderr"
    SYSTEM = "system"  # what the scheduler has to say: installing, starting, exit codes


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of a replica. `cursor` is opaque and resumes after this line; it holds no space and no newline."""

    at: datetime
    replica: str
    stream: Stream
    text: str
    cursor: str
