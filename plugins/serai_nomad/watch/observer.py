"""From what is kept and what checks say to observations, with the last log lines of what has crashed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from serai.domain.observation import Observation
from serai_nomad.facts import ClusterFacts, JobFacts, Json
from serai_nomad.names import TASK
from serai_nomad.state.observation import derive_observation

from .check_board import CheckBoard
from .check_turns import CHECKS, PROBES, Lane
from .check_watch import CheckWatch
from .evidence import Evidence
from .ledger import KnownJob, Ledger, is_active
from .places import Places

# A replica that has run for so long and was never asked was started before this server: it is asked at once, so that
# a restarted server does not take ready replicas for loading ones.
OLD_S = 5.0
# A server that is made begins to answer nodes so soon, on the busiest of machines.
_OPENING = timedelta(seconds=15)


@dataclass(frozen=True, slots=True)
class _Kept:
    """An observation that stays true until the job is read again, a check says something else or the cluster changes.

    `cluster` is None where the observation says nothing of it.
    """

    job: KnownJob
    revision: int
    cluster: ClusterFacts | None
    seen: Observation


class Observer:
    """Answers `Scheduler.observe`: reads what has to be read again, and derives anew what has changed.

    `touch` says that an id has to be read again. While the event stream is heard, what nobody touched is not read,
    except by looks at everything, which compare it all. What is heard begins at some moment, so everything has to be
    compared once after that.
    """

    def __init__(
        self,
        ledger: Ledger,
        board: CheckBoard,
        watch: CheckWatch,
        places: Places,
        evidence: Evidence,
        cluster: Callable[[], ClusterFacts | None],
    ) -> None:
        self._ledger = ledger
        self._board = board
        self._watch = watch
        self._places = places
        self._evidence = evidence
        self._cluster = cluster
        self._lock = threading.Lock()
        self._touched: set[str] = set()
        self._hears = False
        self._is_compared = False
        self._kept: dict[str, _Kept] = {}
        self._watched: dict[str, KnownJob] = {}
        self._served_since = datetime.now(UTC) + _OPENING

    def touch(self, id: str) -> None:
        with self._lock:
            self._touched.add(id)

    def hear(self, hears: bool) -> None:
        """Note that the event stream has begun to tell of changes, or has ended."""
        with self._lock:
            self._hears, self._is_compared = hears, False

    @property
    def needs_touch(self) -> bool:
        """True while ids that nobody has touched are not read."""
        return self._hears and self._is_compared

    def observe(self, ids: Collection[str] | None) -> dict[str, Observation]:
        """Return the observations of `ids`, or of all jobs of ours. Raise SchedulerError where Nomad does."""
        if ids is None:
            self._compare()
        else:
            self._read(ids)
        wanted = self._ledger.ids() if ids is None else ids
        jobs = {id: job for id in wanted if (job := self._ledger.get(id))}
        self._unwatch((self._watched.keys() if ids is None else set(ids)) - jobs.keys())
        self._watch_all([job for id, job in jobs.items() if self._watched.get(id) is not job])
        return {id: self._derive(job) for id, job in jobs.items()}

    def look(self, id: str) -> KnownJob | None:
        """Return a job as it is now."""
        self._ledger.refresh([id])
        return self._ledger.get(id)

    def forget(self, id: str) -> None:
        self._ledger.forget(id)
        self._unwatch([id])

    # reading

    def _compare(self) -> None:
        """Compare everything with what is kept. Ids are untouched before the reading, so that no change is lost."""
        with self._lock:
            touched, self._touched = self._touched, set()
            self._is_compared = True
        try:
            if self._ledger.sweep():
                self._board.keep(stub["ID"] for job in self._ledger.jobs() for stub in job.allocations)
        except Exception:
            with self._lock:
                self._touched |= touched
                self._is_compared = False
            raise

    def _read(self, ids: Collection[str]) -> None:
        with self._lock:
            stale = [id for id in ids if not self.needs_touch or id in self._touched]
            self._touched.difference_update(stale)
        if not stale:
            return
        try:
            self._ledger.refresh(stale)
        except Exception:
            with self._lock:
                self._touched.update(stale)
            raise

    # checks

    def _watch_all(self, jobs: Collection[KnownJob]) -> None:
        """Have the running replicas of jobs that were read anew watched; ask those at once that nobody asked yet."""
        now = datetime.now(UTC)
        unasked: dict[Lane, list[str]] = {PROBES: [], CHECKS: []}
        for job in jobs:
            lane = CHECKS if job.probe_s is None else PROBES
            self._board.watch(job.id, _running(job), [stub["ID"] for stub in job.allocations], lane)
            old = [stub["ID"] for stub in job.allocations if _is_running(stub) and _age_s(stub, now) > OLD_S]
            unasked[lane] += self._board.unasked(old)
            self._watched[job.id] = job
        for lane, ids in unasked.items():
            self._watch.ask(lane, ids)

    def _unwatch(self, ids: Collection[str]) -> None:
        """Forget jobs that are no more; those that never were are fine."""
        for id in list(ids):
            if self._watched.pop(id, None):
                self._board.watch(id, {})
            self._kept.pop(id, None)

    # deriving

    def _derive(self, job: KnownJob) -> Observation:
        revision, cluster = self._board.revision(job.id), self._cluster() if _is_blocked(job) else None
        kept = self._kept.get(job.id)
        if kept is not None and kept.job is job and kept.revision == revision and kept.cluster is cluster:
            return kept.seen
        facts = self._make_facts(job, self._board.answers(list(_running(job))))
        seen = self._evidence.add(derive_observation(facts, cluster, datetime.now(UTC)), job)
        if _is_timeless(seen):
            self._kept[job.id] = _Kept(job, revision, cluster, seen)
        else:
            self._kept.pop(job.id, None)
        return seen

    def _make_facts(self, job: KnownJob, answers: dict[str, Json | None]) -> JobFacts:
        rows = [stub["ID"] for stub in job.allocations]
        places = {id: self._places.get(id) for id in rows}
        return JobFacts(
            id=job.id,
            digest=job.digest,
            count=job.count,
            is_stopped=job.is_stopped,
            version=job.version,
            create_index=job.create_index,
            is_checked_by_nomad=job.probe_s is None,
            definition=job.definition,
            digests=job.digests,
            allocations=job.allocations,
            evaluations=job.evaluations,
            checks=answers,
            addresses={id: place.address for id, place in places.items() if place.address},
            gpus={id: place.gpus for id, place in places.items() if place.gpus},
            remembered=self._board.remembered(rows),
            served_since=self._served_since,
        )


def _running(job: KnownJob) -> dict[str, int]:
    """Return the restarts of the replicas whose checks mean something: those that run and are to run."""
    if job.is_stopped:
        return {}
    return {stub["ID"]: _restarts(stub) for stub in job.allocations if _is_running(stub)}


def _is_running(stub: Json) -> bool:
    return is_active(stub) and stub.get("ClientStatus") == "running"


def _restarts(stub: Json) -> int:
    tasks: Json = stub.get("TaskStates") or {}
    return sum(int((state or {}).get("Restarts") or 0) for name, state in tasks.items() if name == TASK)


def _age_s(stub: Json, now: datetime) -> float:
    return now.timestamp() - float(stub.get("CreateTime") or 0) / 1e9


def _is_blocked(job: KnownJob) -> bool:
    return any(evaluation.get("Status") == "blocked" for evaluation in job.evaluations)


def _is_timeless(seen: Observation) -> bool:
    """Tell whether time alone changes nothing: only that Nomad decides is said for a moment, and then no more."""
    return seen.waiting is None or seen.waiting.code != "scheduling"
