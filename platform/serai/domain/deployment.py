"""Intent: what users want to run. Values as the store returns them; nothing here changes anything."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from .names import workload_id
from .reasons import Reason
from .spec import Spec
from .traffic import Cors, Limits


class HandoverMode(StrEnum):
    """How a new version takes over: side by side, replica by replica, or the old one stops first."""

    AUTO = "auto"
    OVERLAP = "overlap"
    ROLLING = "rolling"
    REPLACE = "replace"


class Access(StrEnum):
    PUBLIC = "public"
    KEYS = "keys"


@dataclass(frozen=True, slots=True)
class Scaling:
    """Bounds of the count and what moves it; `max_replicas` 0 means that only people change the count."""

    min_replicas: int = 0
    max_replicas: int = 0
    concurrency: int = 8
    idle_s: float = 600.0


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds a request may spend: connecting, until the first byte, between bytes, altogether. 0 is no limit."""

    connect_s: float = 1.0
    first_byte_s: float = 60.0
    idle_s: float = 60.0
    total_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Settings:
    """The part of a manifest that changes without a new version.

    `key_header` names a header, in lower case, that carries keys beside `Authorization`; empty for none.
    """

    count: int = 1
    access: Access = Access.PUBLIC
    handover: HandoverMode = HandoverMode.AUTO
    scaling: Scaling = Scaling()
    timeouts: Timeouts = Timeouts()
    limits: Limits = Limits()
    cors: Cors = Cors()
    key_header: str = ""


@dataclass(frozen=True, slots=True)
class Deployment:
    """A named model being served.

    `active` is the version the user wants to run. `incumbent` serves until the active one is ready; then it is
    cleared. `handing` is the handover mode chosen for the takeover in progress (never AUTO), None outside of one
    or before it is chosen. While it `is_idle` it runs no replica, and the count it wants is kept for when it is woken.
    `revision` grows with every change and guards conditional writes.
    """

    name: str
    owner: str
    settings: Settings
    created_at: datetime
    changed_at: datetime
    active: int | None = None
    incumbent: int | None = None
    handing: HandoverMode | None = None
    revision: int = 0
    is_idle: bool = False

    @property
    def count(self) -> int:
        """How many replicas there are to be now."""
        return 0 if self.is_idle else self.settings.count


class Stage(StrEnum):
    """Where a start has come to; the deadlines count from its change."""

    QUEUED = "queued"
    FETCHING = "fetching"
    STARTING = "starting"
    READY = "ready"


@dataclass(frozen=True, slots=True)
class Progress:
    """The stage of a version's current run and since when, and whether a replica was ready before in this run.

    Stored, so that a server's restart resets no deadline.
    """

    stage: Stage
    since: datetime
    was_ready: bool = False


@dataclass(frozen=True, slots=True)
class Version:
    """A numbered, immutable spec and how its last run ended.

    `run` counts its starts. `outcome` is the reason it ended in Error, None when it has not. `progress` is that of
    the current run.
    """

    deployment: str
    number: int
    spec: Spec
    created_at: datetime
    created_by: str = ""
    run: int = 0
    started_at: datetime | None = None
    outcome: Reason | None = None
    progress: Progress | None = None
    spec_digest: str = field(default="")

    @property
    def workload(self) -> str:
        """The id under which schedulers know it."""
        return workload_id(self.deployment, self.number)

    @property
    def run_digest(self) -> str:
        """What a scheduler compares: another spec or another start is another thing to run."""
        return f"{self.spec_digest[:12]}-{self.run}"


@dataclass(frozen=True, slots=True)
class Event:
    """A line of the timeline. `kind` is `<noun>.<past participle>`, such as `version.started`; `actor` a login."""

    id: int
    at: datetime
    kind: str
    deployment: str
    version: int | None
    replica: str
    text: str
    actor: str
