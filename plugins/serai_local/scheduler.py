"""The local scheduler's verbs."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from serai.domain.errors import Conflict, NotFound, SchedulerError, SchedulerUnavailable
from serai.domain.names import parse_workload_id
from serai.domain.observation import Fit, LogLine, NodeCapacity, Observation, Stream, Usage, Workload
from serai.plugin import Scheduler

from .fit import derive_capacity, derive_fit
from .gpus import GpuInventory, find_gpus
from .hints import HintPipe
from .home import Home
from .job import Job, Means, load_job
from .launch import make_launcher
from .launchpad import Launchpad
from .layout import NO_SPACE
from .logs import read_lines
from .machine import find_machine
from .placement import Placement
from .plan import plan_replicas
from .ports import is_free
from .record import Placed
from .revival import Revival
from .settings import LocalSettings
from .trash import Trash
from .usage import UsageMeter


class LocalScheduler(Scheduler):
    """Runs replicas as processes of this machine, each under a shim that outlives this object and its process.

    What is wanted is on disk before `submit` returns; `submit`, `stop` and `observe` each make a pass that brings
    what runs nearer to it. `server_env` is what models inherit a part of.
    """

    def __init__(
        self,
        data_dir: Path,
        bundle_path: Callable[[str], Path],
        settings: LocalSettings,
        gpus: GpuInventory | None = None,
        server_env: Mapping[str, str] = os.environ,
    ) -> None:
        self._lock = threading.RLock()
        self._home = Home(data_dir.absolute())
        self._gpus = gpus or find_gpus()
        self._machine = find_machine(self._gpus)
        self._meter = UsageMeter(self._machine, self._gpus)
        self._trash = Trash(self._home.path / "trash")
        self._hints = HintPipe(self._home.path / "hints")
        launcher = make_launcher(self._home.path, settings, server_env)
        self._launchpad = Launchpad(launcher, at_once=2 * self._machine.cores)
        revival = Revival(self._launchpad, self._trash)
        placement = Placement(self._machine, settings)
        self._means = Means(
            launcher, placement, self._machine, revival, self._trash, bundle_path,
            self._live_placed, settings.keep_ended,
        )  # fmt: skip
        self._jobs = {folder.name: load_job(folder, self._means) for folder in self._home.job_folders()}
        self._is_closed = False
        for job in self._jobs.values():
            for known in job.replicas.values():
                revival.adopt(known)
        used = {known.report.environment for job in self._jobs.values() for known in job.live}
        self._home.sweep_environments(used, self._trash)

    def submit(self, workload: Workload) -> None:
        parse_workload_id(workload.id)  # it becomes a path
        with self._working():
            job = self._jobs.get(workload.id)
            if job is None:
                job = Job(self._home.workloads / workload.id, replace(workload, count=0), self._means)
            job.want(workload)
            self._jobs[workload.id] = job
            job.converge()

    def stop(self, workload_id: str) -> None:
        with self._working():
            if job := self._jobs.get(workload_id):
                job.want(replace(job.workload, count=0))
                job.converge()

    def observe(self, ids: Collection[str] | None = None) -> Mapping[str, Observation]:
        with self._working():
            self._launchpad.reap()
            jobs = [job for id_, job in self._jobs.items() if ids is None or id_ in ids]
            for job in jobs:
                job.converge()
                if job.is_over:
                    self._drop(job)
            return {job.workload.id: job.observe() for job in jobs if not job.is_over}

    def surplus(self, workload: Workload) -> tuple[str, ...]:
        with self._working():
            job = self._jobs.get(workload.id)
            if job is None:
                return ()
            same = [candidate for candidate in job.candidates() if candidate.digest == workload.digest]
            return plan_replicas(same, workload.digest, workload.count).stop

    def purge(self, workload_id: str) -> None:
        with self._working():
            job = self._jobs.get(workload_id)
            if job is None:
                return
            job.converge()
            if job.live or job.workload.count:
                raise Conflict(f"{workload_id} still has live replicas; stop it first", code="version-active")
            self._drop(job)

    def hints(self) -> Iterator[str]:
        return self._hints.lines()

    def logs(
        self, workload_id: str, replica: str, stream: Stream | None = None, after: str | None = None
    ) -> Iterator[LogLine]:
        with self._working():
            job = self._jobs.get(workload_id)
            found = job.replicas.get(replica) if job else None
        if found is None:
            raise NotFound(f"no replica named {replica!r} of {workload_id!r} is known here")
        return read_lines(found.place.logs, replica, stream, after)

    def usage(self, ids: Collection[str] | None = None) -> list[Usage]:
        with self._working():
            live = [replica for job in self._jobs.values() for replica in job.live]
            for replica in live:
                replica.look()
        self._meter.forget({replica.placed.id for replica in live if not replica.is_ended})
        asked = [replica for replica in live if ids is None or replica.placed.workload in ids]
        return self._meter.sample([replica for replica in asked if not replica.is_ended])

    def fit(self, workload: Workload, freeing: Collection[str] = ()) -> Fit:
        with self._working():
            live = self._live_placed()
        freed = [placed for placed in live if placed.workload in freeing]
        kept = [placed for placed in live if placed.workload not in freeing]
        return derive_fit(workload, self._machine, kept, freed, is_free)

    def capacity(self) -> list[NodeCapacity]:
        with self._working():
            return [derive_capacity(self._machine, self._live_placed())]

    def close(self) -> None:
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
        self._launchpad.close()
        self._hints.close()
        self._trash.close()
        self._gpus.close()
        self._home.close()

    def _live_placed(self) -> list[Placed]:
        """Return what live replicas hold. Looks again, as one that has ended since holds nothing any more."""
        live = [replica for job in self._jobs.values() for replica in job.live]
        for replica in live:
            replica.look()
        return [replica.placed for replica in live if not replica.is_ended]

    def _drop(self, job: Job) -> None:
        self._trash.put(job.folder)
        self._jobs.pop(job.workload.id, None)

    @contextmanager
    def _working(self) -> Iterator[None]:
        """One verb at a time. Trouble with the data directory is told as what it is to the core: out of reach."""
        with self._lock:
            if self._is_closed:
                raise SchedulerUnavailable("the local scheduler is closed")
            try:
                yield
            except OSError as error:
                if error.errno in NO_SPACE:
                    raise SchedulerError(
                        f"the disk of {self._home.path} is full; free some space", "disk-full"
                    ) from error
                raise SchedulerUnavailable(f"the data directory {self._home.path} fails: {error}") from error
