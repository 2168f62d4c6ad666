"""From what is kept and what checks say to observations, with the last log lines of what has crashed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime

from serai.domain.observation import Observation

from .check_board import CheckBoard
from .check_watch import CheckWatch
from .evidence import Evidence
from .facts import ClusterFacts, JobFacts, Json
from .ledger import KnownJob, Ledger, is_active
from .names import TASK
from .observation import derive_observation
from .places import Places

# A replica that has run for so long and was never asked was started before this server: it is asked at once, so that
# a restarted server does not take ready replicas for loading ones.
OLD_S = 5.0


@dataclass(frozen=True, slots=True)
class _Settled:
    """An observation that stays true until the job is read again or a check changes."""

    job: KnownJob
    answers: dict[str, Json | None]
    seen: Observation


class Observer:
    """Answers `Scheduler.observe`. `touch` says that an id has to be read again; what nobody touched is not."""

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
        self._settled: dict[str, _Settled] = {}
        self.hears = False  # whether the event stream tells of changes, so that untouched ids need no reading

    def touch(self, id: str) -> None:
        with self._lock:
            self._touched.add(id)

    def observe(self, ids: Collection[str] | None) -> dict[str, Observation]:
        """Return the observations of `ids`, or of all jobs of ours. Raise SchedulerError where Nomad does."""
        if ids is None:
            self._take_touched(self._ledger.ids())
            self._ledger.sweep()
            self._board.keep(stub["ID"] for job in self._ledger.jobs() for stub in job.allocations)
        elif stale := self._take_touched(ids):
            self._read(stale)
        jobs = {id: job for id in (self._ledger.ids() if ids is None else ids) if (job := self._ledger.get(id))}
        self._ask_unasked(jobs.values())
        return {id: self._derive(job) for id, job in jobs.items()}

    def look(self, id: str) -> KnownJob | None:
        """Return a job as it is now."""
        self._ledger.refresh([id])
        return self._ledger.get(id)

    def forget(self, id: str) -> None:
        self._ledger.forget(id)
        self._settled.pop(id, None)
        self._board.watch(id, {})

    def _take_touched(self, ids: Collection[str]) -> list[str]:
        """Return those that have to be read. They are untouched before the reading, so that no change is lost."""
        with self._lock:
            stale = [id for id in ids if not self.hears or id in self._touched or self._ledger.get(id) is None]
            self._touched.difference_update(stale)
        return stale

    def _read(self, ids: list[str]) -> None:
        try:
            self._ledger.refresh(ids)
        except Exception:
            with self._lock:
                self._touched.update(ids)
            raise

    def _ask_unasked(self, jobs: Collection[KnownJob]) -> None:
        now = datetime.now(UTC)
        for job in jobs:
            self._board.watch(job.id, _running(job), [stub["ID"] for stub in job.allocations])
        old = [
            stub["ID"] for job in jobs for stub in job.allocations if _is_running(stub) and _age_s(stub, now) > OLD_S
        ]
        if unasked := self._board.unasked(old):
            self._watch.ask(unasked)

    def _derive(self, job: KnownJob) -> Observation:
        running = list(_running(job))
        answers = self._board.answers(running)
        kept = self._settled.get(job.id)
        if kept is not None and kept.job is job and kept.answers == answers:
            return kept.seen
        facts = self._make_facts(job, answers)
        cluster = self._cluster() if _is_blocked(job) else None
        seen = self._evidence.add(derive_observation(facts, cluster, datetime.now(UTC)), job)
        if _is_settled(seen):
            self._settled[job.id] = _Settled(job, answers, seen)
        else:
            self._settled.pop(job.id, None)
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


def _is_settled(seen: Observation) -> bool:
    """Tell whether nothing in an observation depends on the time: all that run are ready, and none is missing."""
    live = [replica for replica in seen.replicas if replica.live]
    return seen.waiting is None and seen.failed is None and all(r.ready for r in live) and len(live) == seen.count
