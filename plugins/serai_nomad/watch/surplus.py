"""Which replicas Nomad stops when a job's count is lowered: those with the highest index."""

from __future__ import annotations

import re

from serai_nomad.facts import Json

from .ledger import KnownJob, is_active

_INDEX = re.compile(r"\[(\d+)\]$")


def choose_surplus(job: KnownJob, digest: str, count: int) -> tuple[str, ...]:
    """Return the ids of the replicas of `digest` that go when `count` are wanted, the first to go first."""
    rows = [row for row in job.allocations if is_active(row) and _digest(job, row) == digest]
    rows.sort(key=index_of, reverse=True)
    return tuple(row["ID"] for row in rows[: max(0, len(rows) - count)])


def index_of(stub: Json) -> int:
    """Return the index in an allocation's name: 3 of `whisper-v7.model[3]`."""
    match = _INDEX.search(str(stub.get("Name") or ""))
    return int(match[1]) if match else 0


def _digest(job: KnownJob, stub: Json) -> str:
    return job.digests.get(int(stub.get("JobVersion") or 0), job.digest)
