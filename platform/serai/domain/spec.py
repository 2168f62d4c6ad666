"""What a version runs: the immutable part of a manifest, as values. `serai.domain.manifest` reads and writes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from .quantity import Cpu


@dataclass(frozen=True, slots=True)
class Gpu:
    """GPUs of a replica: `count` whole devices, whose model matches the regular expression, with at least memory.

    `device` is `type`, `vendor/type` or `vendor/type/model` as the scheduler names devices; "" is any GPU.
    """

    count: int
    model: str = ""
    memory_bytes: int = 0
    device: str = ""


@dataclass(frozen=True, slots=True)
class Resources:
    """What a replica asks for; None means not limited and not reserved.

    `memory_bytes` is reserved; `memory_max_bytes`, where given, is what a replica may use when its machine has it
    to spare, and never less.
    """

    cpu: Cpu | None = None
    memory_bytes: int | None = None
    gpu: Gpu | None = None
    memory_max_bytes: int | None = None
    disk_bytes: int | None = None

    @property
    def memory_limit_bytes(self) -> int | None:
        """Return what a replica must not exceed."""
        return self.memory_max_bytes or self.memory_bytes


class CheckKind(StrEnum):
    TCP = "tcp"
    HTTP = "http"


@dataclass(frozen=True, slots=True)
class Health:
    """How readiness is judged: the port accepts a connection, or `path` answers 2xx or 3xx."""

    kind: CheckKind = CheckKind.TCP
    path: str = ""
    interval_s: float = 2.0
    timeout_s: float = 1.0


@dataclass(frozen=True, slots=True)
class Affinity:
    """A wish: machines that fulfil the constraint `match` are preferred by `weight`, or avoided by a negative one."""

    match: str
    weight: int = 50


@dataclass(frozen=True, slots=True)
class Spread:
    """A wish: replicas go to machines that differ in `attribute`."""

    attribute: str
    weight: int = 50


@dataclass(frozen=True, slots=True)
class Placement:
    """Where replicas may go, in the words of the scheduler that has several machines."""

    pool: str = ""
    datacenters: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    affinities: tuple[Affinity, ...] = ()
    spread: tuple[Spread, ...] = ()


@dataclass(frozen=True, slots=True)
class Mount:
    volume: str
    path: str
    read_only: bool = True


@dataclass(frozen=True, slots=True)
class Spec:
    """The immutable description of a version. `secrets` maps names to fingerprints of the values, never values."""

    bundle: str = ""  # sha256:<hex>, or "" for an image alone
    image: str = ""
    command: str | tuple[str, ...] = ""  # a string is run by the shell, a list is not
    port: int | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    resources: Resources = Resources()
    health: Health = Health()
    start_timeout_s: float = 600.0
    start_attempts: int = 3
    queue_timeout_s: float = 0.0  # 0 waits for ever
    drain_timeout_s: float = 30.0
    placement: Placement = Placement()
    mounts: tuple[Mount, ...] = ()
    driver: str = ""  # what runs it, in the scheduler's own words: docker, exec, ...; "" leaves it to the scheduler
