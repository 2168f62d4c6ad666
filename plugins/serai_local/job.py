"""One workload and its replicas: the pass that makes what runs match what is wanted."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from serai.domain.errors import NotFound
from serai.domain.observation import Observation, Workload
from serai.domain.reasons import Reason, make_reason

from .launch import Launcher, make_placed
from .layout import NO_SPACE, ReplicaDir
from .machine import Machine, derive_cores, find_refusal
from .placement import Place, Placement
from .plan import Candidate, plan_replicas
from .record import Placed, load_placed, load_workload, save_workload
from .replica import LocalReplica
from .revival import Revival
from .trash import Trash

log = logging.getLogger(__name__)

_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"  # none that is taken for another


@dataclass(frozen=True, slots=True)
class Means:
    """What jobs share. `live_placed` returns what all live replicas of all jobs hold."""

    launcher: Launcher
    placement: Placement
    machine: Machine
    revival: Revival
    trash: Trash
    bundle_path: Callable[[str], Path]
    live_placed: Callable[[], list[Placed]]
    keep_ended: int


@dataclass(slots=True)
class Job:
    """A workload as it is kept in `folder`. Not for several threads at once.

    `waiting` and `failed` are what the last pass could not do. A replica whose shim was killed makes the next one
    wait until `not_before` (monotonic), longer each time, so that a broken machine is not kept busy.
    """

    folder: Path
    workload: Workload
    means: Means
    replicas: dict[str, LocalReplica] = field(default_factory=dict)
    waiting: Reason | None = None
    failed: Reason | None = None
    losses: int = 0
    not_before: float = 0.0

    @property
    def live(self) -> list[LocalReplica]:
        return [replica for replica in self.replicas.values() if not replica.is_ended]

    @property
    def is_over(self) -> bool:
        """True if nothing is wanted and there is nothing to tell."""
        return not self.workload.count and not self.replicas

    def want(self, workload: Workload) -> None:
        """Take what is wanted from now on, and put it on record first."""
        if workload != self.workload or not self.folder.exists():
            self.folder.mkdir(mode=0o700, exist_ok=True)
            save_workload(self.folder / "workload.json", workload)
            log.info("%s: %d -> %d replicas of %s", workload.id, self.workload.count, workload.count, workload.digest)
            self.workload, self.losses, self.not_before = workload, 0, 0.0

    def converge(self) -> None:
        """Look at what there is, bury the dead, and start or stop what is missing or too much."""
        for replica in self.live:
            self._look(replica)
        plan = plan_replicas(self.candidates(), self.workload.digest, self.workload.count, self.workload.leaving)
        for id_ in plan.stop:
            log.info("%s: stopping", id_)
            self.replicas[id_].ask_to_stop()
        self.waiting = None
        self.failed = find_refusal(self.workload.spec) if self.workload.count else None
        if plan.missing and self.failed is None:
            self._place(plan.missing)
        self._prune()

    def observe(self) -> Observation:
        views = tuple(replica.view(self.means.machine.node) for replica in self.replicas.values())
        return Observation(self.workload.digest, self.workload.count, views, self.waiting, self.failed or self._fatal())

    def candidates(self) -> list[Candidate]:
        return [
            Candidate(replica.placed.id, replica.placed.digest, replica.is_ready, replica.placed.created_at)
            for replica in self.live
            if not replica.is_stopping
        ]

    def _fatal(self) -> Reason | None:
        """Return why no attempt can succeed, while none has."""
        wanted = [r for r in self.live if not r.is_stopping and r.placed.digest == self.workload.digest]
        if any(replica.is_ready for replica in wanted):
            return None
        return next((replica.report.reason for replica in wanted if replica.report.fatal), None)

    def _look(self, replica: LocalReplica) -> None:
        before = replica.report.phase
        replica.look()
        if not replica.is_ended and not replica.is_supervised() and self.means.revival.treat(replica):
            self.losses += 1
            self.not_before = time.monotonic() + min(30.0, 2.0 ** (self.losses - 2)) * (self.losses > 1)
        if (after := replica.report.phase) is not before:
            log.info("%s: %s -> %s", replica.placed.id, before, after)

    def _place(self, missing: int) -> None:
        if time.monotonic() < self.not_before:
            text = f"The supervisors of {self.losses} replicas ended unexpectedly; the next one is started soon."
            self.waiting = make_reason("scheduler-error", text)
            return
        try:
            bundle = self.means.bundle_path(self.workload.spec.bundle) if self.workload.spec.bundle else None
        except NotFound as error:
            self.failed = make_reason("bundle-missing", error.message)
            return
        for _ in range(missing):
            place = self.means.placement.find(self.workload.spec, self.means.live_placed())
            if isinstance(place, Reason):
                self.waiting = place
                return
            try:
                self._make(place, bundle)
            except OSError as error:
                self.waiting = _explain(error)
                return

    def _make(self, place: Place, bundle: Path | None) -> None:
        cores = derive_cores(self.workload.spec, self.means.machine)
        placed = make_placed(self.workload, self._make_id(), place.port, place.gpus, cores)
        made = self.means.launcher.make(self.folder / "replicas", self.workload, placed, bundle)
        replica = self.replicas[placed.id] = LocalReplica(made, placed)
        log.info("%s: placed on port %d", placed.id, placed.port)
        self.means.revival.launch(replica)

    def _make_id(self) -> str:
        while True:
            id_ = f"{self.workload.id}-{''.join(secrets.choice(_LETTERS) for _ in range(4))}"
            if id_ not in self.replicas:
                return id_

    def _prune(self) -> None:
        ended = [replica for replica in self.replicas.values() if replica.is_ended]
        for replica in ended[: max(0, len(ended) - self.means.keep_ended)]:
            self.means.trash.put(replica.place.root)
            del self.replicas[replica.placed.id]


def load_job(folder: Path, means: Means) -> Job:
    """Return the job kept in `folder`, with its replicas in the order of their making."""
    job = Job(folder, load_workload(folder), means)
    found = (_load_replica(path) for path in _replica_folders(folder))
    replicas = sorted((r for r in found if r is not None), key=lambda replica: replica.placed.created_at)
    job.replicas = {replica.placed.id: replica for replica in replicas}
    return job


def _replica_folders(folder: Path) -> Iterable[Path]:
    return [path for path in (folder / "replicas").glob("*") if not path.name.startswith(".")]


def _load_replica(folder: Path) -> LocalReplica | None:
    place = ReplicaDir(folder)
    placed = load_placed(place)
    return LocalReplica(place, placed) if placed else None


def _explain(error: OSError) -> Reason:
    if error.errno in NO_SPACE:
        return make_reason("disk-full", f"The replica's folder cannot be made: {error.strerror}.")
    return make_reason("scheduler-error", f"The replica cannot be started: {error}.")
