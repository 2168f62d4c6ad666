"""Our jobs as last read from Nomad, kept by change: what has not moved is not read again."""

from __future__ import annotations

import logging
import re
import threading
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace

from serai.domain.errors import NotFound
from serai_nomad.agent.api import NomadApi
from serai_nomad.facts import Json
from serai_nomad.names import digest_of, is_ours, probe_of

from .places import Places

log = logging.getLogger(__name__)

# Up to so many changed jobs are read one by one; more cost less in lists, which name them as long as they are not most.
FEW = 10
# To compare everything costs as much as to read this share of it job by job.
FEW_SHARE = 1 / 20
IDS_IN_FILTER = 100
_PLAIN = re.compile(r"[A-Za-z0-9-]+")
OPEN = frozenset({"blocked", "pending"})
_IS_OPEN = 'Status == "blocked" or Status == "pending"'
_TABLES = ("jobs", "allocations", "evaluations")


@dataclass(frozen=True, slots=True)
class KnownJob:
    """One job of ours. `marks` are the indexes that tell whether its allocations or open evaluations have moved.

    `evaluations` are all of the job's while it is short of replicas, else at least the open ones. `definition` is {}
    where a long list of jobs was read and this one needed no closer look. `probe_s` is the time-out of the probe that
    Serai makes itself, None where Nomad checks.
    """

    id: str
    digest: str
    count: int
    is_stopped: bool
    version: int
    create_index: int
    job_index: int
    definition: Json = field(default_factory=dict)
    digests: Mapping[int, str] = field(default_factory=dict)
    allocations: tuple[Json, ...] = ()
    evaluations: tuple[Json, ...] = ()
    marks: frozenset[tuple[str, int]] = frozenset()
    probe_s: float | None = None

    @property
    def is_short(self) -> bool:
        """True if there are fewer replicas running or coming than wanted, so that evaluations tell why."""
        return sum(is_active(stub) for stub in self.allocations) < self.count

    @property
    def needs_more(self) -> bool:
        """True if what lists tell is not enough: replicas are missing, or some are of another job version."""
        return self.is_short or any(
            is_active(stub) and stub.get("JobVersion") not in {self.version, *self.digests} for stub in self.allocations
        )


def is_active(stub: Json) -> bool:
    """Tell whether an allocation is to run and has not ended."""
    return stub.get("DesiredStatus") == "run" and stub.get("ClientStatus") in {"pending", "running"}


class Ledger:
    """Reads jobs of ours and keeps them. Reading is done by one thread at a time; what is kept is read by any."""

    def __init__(self, api: NomadApi, instance: str, pool: Executor, places: Places) -> None:
        self._api = api
        self._instance = instance
        self._pool = pool
        self._places = places
        self._reading = threading.RLock()
        self._known: dict[str, KnownJob] = {}
        self._indexes: tuple[int, ...] = ()

    def get(self, id: str) -> KnownJob | None:
        return self._known.get(id)

    def ids(self) -> list[str]:
        return list(self._known)

    def jobs(self) -> list[KnownJob]:
        return list(self._known.values())

    def forget(self, id: str) -> None:
        with self._reading:
            self._known.pop(id, None)

    def sweep(self) -> bool:
        """Compare everything with what is kept, and read what has moved; return False if Nomad's tables have not.

        Raise SchedulerError where Nomad does.
        """
        with self._reading:
            indexes = tuple(self._api.table_index(table) for table in _TABLES)
            if indexes == self._indexes:
                return False
            stubs = {row["ID"]: row for row in self._api.list_jobs().rows if is_ours(row.get("Meta"), self._instance)}
            evaluations = _by_job(self._api.list_evaluations(filter=_IS_OPEN).rows, stubs)
            moved = self._find_moved(stubs, evaluations) if self._known else list(stubs)
            self._known = {id: job for id, job in self._known.items() if id in stubs}
            self._read(moved, stubs, evaluations)
            self._places.keep(stub["ID"] for job in self._known.values() for stub in job.allocations)
            self._indexes = indexes
            return True

    def refresh(self, ids: Collection[str]) -> None:
        """Read some jobs again."""
        with self._reading:
            if len(ids) > max(FEW, len(self._known) * FEW_SHARE):
                self.sweep()
            else:
                self._read_each(ids)

    def _find_moved(self, stubs: Mapping[str, Json], opened: defaultdict[str, list[Json]]) -> list[str]:
        allocations = _by_job(self._api.list_allocations(task_states=False).rows, stubs)
        return [id for id in stubs if self._has_moved(stubs[id], allocations[id], opened[id])]

    def _has_moved(self, stub: Json, allocations: list[Json], evaluations: list[Json]) -> bool:
        known = self._known.get(stub["ID"])
        return (
            known is None
            or known.job_index != stub["JobModifyIndex"]
            or known.marks != _marks(allocations, evaluations)
        )

    def _read(self, moved: Sequence[str], stubs: Mapping[str, Json], opened: Mapping[str, list[Json]]) -> None:
        if len(moved) <= FEW:
            self._read_each(moved)
            return
        statuses = {row["ID"]: row for row in self._list_statuses(moved, stubs)}
        rows = _by_job(self._list_rows(moved, stubs), stubs)
        for id in moved:
            self._places.note(rows[id])
            if id in statuses:
                self._keep(_with_rows(_make_listed(stubs[id], statuses[id]), rows[id], opened[id]))
        unlisted = [id for id in moved if id not in statuses]  # before Nomad 2.0.4 some are left out
        self._read_each(unlisted + [id for id in moved if id in statuses and self._known[id].needs_more])

    def _list_statuses(self, moved: Collection[str], stubs: Mapping[str, Json]) -> Iterable[Json]:
        are_most = len(moved) > len(stubs) / 2
        return self._api.job_statuses(None if are_most else moved).rows

    def _list_rows(self, moved: Sequence[str], stubs: Mapping[str, Json]) -> Iterator[Json]:
        """Yield the allocations of these jobs, with resources, by as few calls as their ids fit into."""
        if len(moved) > len(stubs) / 2 or not all(map(_PLAIN.fullmatch, moved)):
            yield from self._api.list_allocations(resources=True).rows
            return
        for first in range(0, len(moved), IDS_IN_FILTER):
            names = "|".join(moved[first : first + IDS_IN_FILTER])
            yield from self._api.list_allocations(resources=True, filter=f'JobID matches "^({names})$"').rows

    def _read_each(self, ids: Collection[str]) -> None:
        for id, job in zip(ids, self._pool.map(self._read_whole, ids), strict=True):
            if job is None:
                self._known.pop(id, None)
            else:
                self._keep(job)

    def _read_whole(self, id: str) -> KnownJob | None:
        """Read in the order job, allocations, evaluations: so the evaluation that explains a row is never missed."""
        job = self._read_job(id)
        if job is None:
            return None
        rows = self._api.job_allocations(id)
        self._places.learn(rows)
        return _with_rows(job, rows, self._api.job_evaluations(id))

    def _read_job(self, id: str) -> KnownJob | None:
        try:
            definition = self._api.job(id)
        except NotFound:
            return None
        if not is_ours(definition.get("Meta"), self._instance):
            return None
        known = self._known.get(id)
        return self._with_digests(known, _make_known(definition))

    def _with_digests(self, known: KnownJob | None, job: KnownJob) -> KnownJob:
        """Add which digest each older version had: after a change, for a while, replicas of both are there."""
        if job.version == 0:
            return replace(job, digests={0: job.digest})
        if known and known.digests and known.create_index == job.create_index:
            if job.version == known.version:
                return replace(job, digests=known.digests)
            if job.version == known.version + 1:
                return replace(job, digests={**known.digests, job.version: job.digest})
        versions = self._api.job_versions(job.id)
        return replace(job, digests={v["Version"]: digest_of(v.get("Meta")) for v in versions})

    def _keep(self, job: KnownJob) -> None:
        self._known[job.id] = job


def _make_known(definition: Json) -> KnownJob:
    groups = definition.get("TaskGroups") or [{}]
    stopped = bool(definition.get("Stop"))
    return KnownJob(
        id=definition["ID"],
        digest=digest_of(definition.get("Meta")),
        count=0 if stopped else int(groups[0].get("Count") or 0),
        probe_s=probe_of(definition.get("Meta")),
        is_stopped=stopped,
        version=int(definition.get("Version") or 0),
        create_index=int(definition.get("CreateIndex") or 0),
        job_index=int(definition.get("JobModifyIndex") or 0),
        definition=definition,
    )


def _make_listed(stub: Json, status: Json) -> KnownJob:
    """Return a job as the lists tell of it, without its definition."""
    stopped = bool(stub.get("Stop"))
    return KnownJob(
        id=stub["ID"],
        digest=digest_of(stub.get("Meta")),
        count=0 if stopped else int(status.get("GroupCountSum") or 0),
        probe_s=probe_of(stub.get("Meta")),
        is_stopped=stopped,
        version=int(status.get("Version") or 0),
        create_index=int(stub.get("CreateIndex") or 0),
        job_index=int(stub.get("JobModifyIndex") or 0),
    )


def _with_rows(job: KnownJob, allocations: Iterable[Json], evaluations: Iterable[Json]) -> KnownJob:
    rows, found = tuple(allocations), tuple(each for each in evaluations if _is_of(each, job.create_index))
    opened = [evaluation for evaluation in found if evaluation.get("Status") in OPEN]
    return replace(job, allocations=rows, evaluations=found, marks=_marks(rows, opened))


def _is_of(row: Json, create_index: int) -> bool:
    """Tell an allocation or evaluation from those of a purged job of the same id, which may stay listed."""
    return int(row.get("CreateIndex") or 0) >= create_index


def _marks(allocations: Iterable[Json], evaluations: Iterable[Json]) -> frozenset[tuple[str, int]]:
    return frozenset((row["ID"], row["ModifyIndex"]) for rows in (allocations, evaluations) for row in rows)


def _by_job(rows: Iterable[Json], jobs: Mapping[str, Json]) -> defaultdict[str, list[Json]]:
    """Return the rows that belong to `jobs`, by job."""
    found: defaultdict[str, list[Json]] = defaultdict(list)
    for row in rows:
        job = jobs.get(row["JobID"])
        if job is not None and _is_of(row, int(job.get("CreateIndex") or 0)):
            found[row["JobID"]].append(row)
    return found
