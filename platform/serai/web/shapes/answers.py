"""What the API answers about deployments, versions and what runs."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from serai.domain.capacity import GpuState
from serai.domain.deployment import Access, HandoverMode, Stage
from serai.domain.observation import NodeStatus, Phase, Stream, Verdict
from serai.domain.status import State
from serai.plugin.identity import Permission

from .kinds import AnswerShape, Instant, RootAnswer
from .traffic import CorsAnswer, LimitsAnswer


class FunnelAnswer(AnswerShape):
    """How many machines are left after one of the things that a replica asks for."""

    step: str = Field(examples=["with free GPUs"])
    nodes: int


class ReasonAnswer(AnswerShape):
    """Why something is what it is."""

    code: str = Field(description="Stable; docs/reference/reasons.md lists them all.", examples=["crash-loop"])
    text: str = Field(description="One sentence about this case.")
    help: str = Field(description="What would help.")
    log: list[str] = Field(description="The last lines of the replica it speaks of.")
    exit_code: int | None = Field(description="Its exit code; negative for a signal.")
    funnel: list[FunnelAnswer] = Field(
        description="Of a replica that finds no place: how many machines are left after each thing it asks for."
    )


class ReplicaAnswer(AnswerShape):
    """One instance of a version."""

    id: str
    phase: Phase = Field(description="How far it has come.")
    live: bool = Field(description="A process exists, or will be started again.")
    ready: bool = Field(description="It passes its checks now.")
    since: Instant = Field(description="Since when it is in this phase.")
    started_at: Instant
    reason: ReasonAnswer | None
    crashes: int = Field(description="Crashes in a row.")
    address: str = Field(description="host:port, empty while unknown.")
    node: str
    gpus: list[str]
    current: bool = Field(description="It belongs to the version's current run, and is no leftover of an earlier one.")


class ProgressAnswer(AnswerShape):
    """Where a start has come to."""

    stage: Stage
    since: Instant


class VersionAnswer(AnswerShape):
    """A numbered, immutable spec, and what runs of it."""

    deployment: str
    number: int
    state: State
    reason: ReasonAnswer | None = Field(description="Null for a plain stop, and when all replicas are ready.")
    wanted: int
    ready: int
    stale: bool = Field(description="The scheduler could not be observed lately; this is what it last said.")
    waiting: ReasonAnswer | None = Field(description="Why some replicas have no place yet.")
    replicas: list[ReplicaAnswer]
    spec: dict[str, Any] = Field(description="As in the manifest; durations in seconds, sizes in bytes, no secrets.")
    run: int = Field(description="How often it was started.")
    progress: ProgressAnswer | None
    created_at: Instant
    created_by: str
    started_at: Instant | None


class ScalingAnswer(AnswerShape):
    min: int
    max: int
    concurrency: int
    idle: float


class TimeoutsAnswer(AnswerShape):
    """Seconds; 0 is no limit."""

    connect: float
    first_byte: float
    idle: float
    total: float


class DeploymentAnswer(AnswerShape):
    """A named model being served. State and reason are those of the version that speaks for it."""

    name: str
    owner: str
    state: State
    reason: ReasonAnswer | None
    wanted: int
    ready: int
    active: int | None = Field(description="The version that is wanted.")
    incumbent: int | None = Field(description="The version that serves until the active one is ready.")
    handing: HandoverMode | None = Field(description="How the takeover in progress is done.")
    shown: int | None = Field(description="The version that speaks for it: active, else incumbent, else newest.")
    count: int = Field(description="How many replicas it has when it is not idle.")
    idle: bool = Field(description="It rests and runs no replica until a request comes.")
    access: Access
    handover: HandoverMode
    scaling: ScalingAnswer
    timeouts: TimeoutsAnswer
    limits: LimitsAnswer
    cors: CorsAnswer
    key_header: str = Field(description="A header that carries keys beside Authorization; empty for none.")
    url: str = Field(description="Where it answers.")
    created_at: Instant
    changed_at: Instant
    versions: list[VersionAnswer] = Field(description="Newest first.")


class DeploymentsAnswer(RootAnswer[list[DeploymentAnswer]]):
    """Deployments in the order of their names; the header Link names the next page where there is one."""


class VersionsAnswer(RootAnswer[list[VersionAnswer]]):
    """Versions, newest first."""


class FitAnswer(AnswerShape):
    """Whether a manifest would fit now."""

    verdict: Verdict
    placeable: int = Field(description="How many replicas would get a place at once.")
    reason: ReasonAnswer | None
    nodes: list[str] = Field(description="Where replicas could go.")


class EventAnswer(AnswerShape):
    """A line of the timeline."""

    id: int
    at: Instant
    kind: str = Field(examples=["version.started"])
    deployment: str
    version: int | None
    replica: str
    text: str
    actor: str = Field(description="Who did it; empty for Serai itself.")


class EventsAnswer(RootAnswer[list[EventAnswer]]):
    """Events, newest first."""


class LogLineAnswer(AnswerShape):
    """One line of a replica."""

    at: Instant
    replica: str
    stream: Stream
    text: str
    cursor: str = Field(description="Give it as `after` to go on behind this line, in all replicas.")


class LogsAnswer(AnswerShape):
    """Lines in the order of time."""

    lines: list[LogLineAnswer]
    next: str | None = Field(description="Give it as `after` to go on; null where there is no line at all.")


class GpuAnswer(AnswerShape):
    id: str
    model: str
    memory: int | None = Field(description="Bytes.")
    state: GpuState
    taken_by: str = Field(description="The workload that has it, `other` for none of ours, empty when it is free.")
    healthy: bool
    problem: str = Field(description="What is known of why it is not healthy.")


class TenantAnswer(AnswerShape):
    """Replicas of one version on one machine: what each was promised, and what they use together."""

    deployment: str
    version: int
    replicas: int
    cpu: float | str | None = Field(description="Of each: cores, or MHz such as `1500MHz`; null where not promised.")
    memory: int | None = Field(description="Of each, in bytes; null where not promised.")
    gpus: int = Field(description="Of all together.")
    cores_used: float | None = Field(description="Of all together; null where not measured.")
    memory_used: int | None = Field(description="Of all together, in bytes; null where not measured.")


class NodeAnswer(AnswerShape):
    """One machine: what it has, and what is promised to replicas and other jobs there."""

    name: str
    status: NodeStatus = Field(description="Only a ready machine takes new replicas.")
    pool: str = Field(description="What `placement.pool` can name; empty where there are no pools.")
    datacenter: str
    class_: str = Field(alias="class", description="The class an operator has given it.")
    cores: float
    cores_taken: float
    memory: int = Field(description="Bytes.")
    memory_taken: int = Field(description="Bytes.")
    gpus: list[GpuAnswer]
    tenants: list[TenantAnswer] = Field(description="The versions that have replicas there.")


class GpuTotalsAnswer(AnswerShape):
    """All GPUs of one model and size; each is counted in one of free, taken, unhealthy and away."""

    model: str
    memory: int | None = Field(description="Bytes of one.")
    total: int
    free: int
    taken: int
    unhealthy: int
    away: int = Field(description="Nobody has them, but their machines take no replicas.")


class CapacityAnswer(AnswerShape):
    gpus: list[GpuTotalsAnswer]
    nodes: list[NodeAnswer]


class SinkAnswer(AnswerShape):
    """How one way into a plugin's sink is doing."""

    way: str = Field(examples=["figures"], description="figures, logs or spans.")
    waiting: int = Field(description="Windows, samples, lines or requests that wait for it.")
    dropped: int = Field(description="How many it did not get since the start, as too many waited or it refused them.")
    last_error: str = Field(description="Why its last call failed; empty when it did not.")


class PluginAnswer(AnswerShape):
    name: str
    version: str
    hooks: list[str]
    healthy: bool
    last_error: str
    faults: int = Field(description="How often its hooks have failed since the start.")
    sinks: list[SinkAnswer] = Field(description="What the plugin takes of figures, logs and spans, if it does.")


class PluginsAnswer(RootAnswer[list[PluginAnswer]]):
    """Plugins in the order of precedence."""


class IdentityAnswer(AnswerShape):
    """The caller."""

    login: str
    permissions: list[Permission]


class BundleAnswer(AnswerShape):
    """An uploaded bundle, or the part that has arrived."""

    digest: str
    size: int = Field(description="Bytes received so far.")
    complete: bool


class HealthAnswer(AnswerShape):
    """The server is there."""

    status: str = Field(examples=["ok"])
    version: str
    started_at: Instant
    scheduler: str = Field(description="fresh, stale or never: how its last answer is to be taken.")


class ProblemAnswer(AnswerShape):
    """What went wrong (RFC 9457)."""

    type: str = Field(examples=["about:blank"])
    title: str
    status: int
    detail: str = Field(description="What was wrong, with the value, and what to do.")
    code: str = Field(description="Stable; docs/reference/errors.md lists them all.", examples=["not-found"])
    field: str | None = Field(None, description="The dotted path of the value that was wrong.")
    line: int | None = Field(None, description="The line it stands in.")
    fault: str | None = Field(None, description="With 500: the id under which the server's log has it.")
