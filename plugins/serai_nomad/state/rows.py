"""One allocation of a job as a value: what Nomad wants of it, what it is, and what was seen of it before."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from serai_nomad.facts import JobFacts, Json, Remembered
from serai_nomad.reading import instant_of, mapping_of, nanoseconds_of, number_of, rows_of, text_of

from .task_states import LONG_AGO, Tasks, read_tasks

_INDEX = re.compile(r"\[(\d+)\]$")


@dataclass(frozen=True, slots=True)
class Row:
    """`desired` and `client` are Nomad's DesiredStatus and ClientStatus, `description` says why it is so desired.
    `is_drained`: it has to leave as its node is drained.

    `next` is the allocation that took its place, `followup` the evaluation that is to place it anew, `before` are the
    ids of those it took the place of, as far as Nomad still says so. `memory` is what was seen while it was ready.
    """

    id: str
    index: int
    desired: str
    client: str
    description: str
    is_drained: bool
    next: str
    followup: str
    node: str
    digest: str
    created_at: datetime
    modified_at: datetime
    healthy_at: datetime | None
    before: tuple[str, ...]
    tasks: Tasks
    memory: Remembered

    @property
    def has_failed(self) -> bool:
        """True if it ended though it should run, and nothing has taken its place."""
        return self.desired == "run" and self.client in {"failed", "complete"} and not self.next

    @property
    def was_ready(self) -> bool:
        return self.memory.was_ready

    @property
    def is_same_process(self) -> bool:
        """True if the process that runs now is the one that was ready."""
        return self.was_ready and self.tasks.main is not None and self.restarts <= self.memory.restarts_when_ready

    @property
    def place(self) -> str:
        """Return the node in words, for the middle of a sentence."""
        return f"node {self.node}" if self.node else "its node"

    @property
    def restarts(self) -> int:
        return self.tasks.main.restarts if self.tasks.main else 0


def read_rows(facts: JobFacts) -> list[Row]:
    """Return the allocations by index, the oldest first; those without an id cannot be told apart and are left out."""
    rows = [_read_row(stub, facts) for stub in facts.allocations if text_of(stub, "ID")]
    return sorted(rows, key=lambda row: (row.index, row.created_at, row.id))


def _read_row(stub: Json, facts: JobFacts) -> Row:
    id, tasks = text_of(stub, "ID"), read_tasks(stub)
    index = _INDEX.search(text_of(stub, "Name"))
    created_at = nanoseconds_of(stub, "CreateTime") or LONG_AGO
    status = mapping_of(stub, "DeploymentStatus")
    is_healthy = status.get("Healthy") is True and facts.is_checked_by_nomad
    healthy_at = instant_of(status, "Timestamp") if is_healthy else None
    moves = rows_of(mapping_of(stub, "RescheduleTracker"), "Events")
    return Row(
        id=id,
        index=int(index[1]) if index else 0,
        desired=text_of(stub, "DesiredStatus"),
        client=text_of(stub, "ClientStatus"),
        description=text_of(stub, "DesiredDescription"),
        is_drained=_is_drained(mapping_of(stub, "DesiredTransition")),
        next=text_of(stub, "NextAllocation"),
        followup=text_of(stub, "FollowupEvalID"),
        node=_name_node(stub),
        digest=_digest_of(stub, facts),
        created_at=created_at,
        modified_at=max(created_at, nanoseconds_of(stub, "ModifyTime") or created_at),
        healthy_at=healthy_at,
        before=tuple(text_of(move, "PrevAllocID") for move in moves),
        tasks=tasks,
        memory=facts.remembered.get(id) or _infer_memory(tasks, healthy_at),
    )


def _name_node(stub: Json) -> str:
    """Return the node's name, for lack of one the id's beginning that the Nomad UI shows."""
    return text_of(stub, "NodeName") or text_of(stub, "NodeID")[:8]


def _is_drained(transition: Json) -> bool:
    """Tell a drain from somebody who stopped the allocation: Nomad describes both as a migration."""
    return transition.get("Migrate") is True and transition.get("NoShutdownDelay") is None


def _digest_of(stub: Json, facts: JobFacts) -> str:
    """Return the digest of the nearest known job version from the allocation's own on."""
    own = number_of(stub, "JobVersion")
    known = {**facts.digests, facts.version: facts.digest}
    return known[min((version for version in known if version >= own), default=facts.version)]


def _infer_memory(tasks: Tasks, healthy_at: datetime | None) -> Remembered:
    """Return what Nomad's health tells a server that has seen nothing: if it was ever set, it was deserved then.

    It is never read as a state: an older process may have deserved it, and without it a replica can be ready, too.
    """
    if healthy_at is None or tasks.main is None:
        return Remembered()
    later = sum(event.type == "Restarting" and event.at > healthy_at for event in tasks.main.events)
    return Remembered(True, max(0, tasks.main.restarts - later), healthy_at)
