"""Making a job what a workload says: registered, scaled, stopped or purged, each safely again."""

from __future__ import annotations

import json
import logging
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping

from serai.domain.errors import Conflict, NotFound, SchedulerError
from serai.domain.observation import Workload
from serai_nomad.agent.api import NomadApi
from serai_nomad.facts import Json
from serai_nomad.names import digest_of, is_ours
from serai_nomad.watch.ledger import is_active

log = logging.getLogger(__name__)

_TRIES = 4


class Submission:
    """Writes jobs. `render` makes the job of a workload, `secrets` the items of its variable ({} for none).

    Each write is made against the index that was read, so that two writers never undo each other's work; the loser
    looks again.
    """

    def __init__(
        self,
        api: NomadApi,
        instance: str,
        render: Callable[[Workload], Json],
        secrets: Callable[[Workload], Mapping[str, str]],
    ) -> None:
        self._api = api
        self._instance = instance
        self._render = render
        self._secrets = secrets
        self._lock = threading.Lock()
        self._writing: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def submit(self, workload: Workload) -> None:
        """Raise SchedulerError where Nomad refuses, and for a job of that id that is not ours (`job-exists`)."""
        with self._lock:
            lock = self._writing[workload.id]
        with lock:
            for _ in range(_TRIES):
                try:
                    return self._converge(workload)
                except Conflict as error:
                    log.info("%s: somebody else changed the job meanwhile: %s", workload.id, error.message)
        raise SchedulerError(f"the job {workload.id} is being changed by somebody else all the time; trying again")

    def stop(self, id: str) -> None:
        job = self._find(id)
        if job is not None and is_ours(job.get("Meta"), self._instance) and not job.get("Stop"):
            self._api.deregister(id, purge=False)

    def purge(self, id: str) -> None:
        """Raise Conflict while replicas live: a purge would forget processes that still run."""
        job = self._find(id)
        if job is not None and is_ours(job.get("Meta"), self._instance):
            live = [row for row in self._api.job_allocations(id) if _lives(row)]
            if live or not job.get("Stop"):
                raise Conflict(f"{id} still has {len(live)} live replicas; stop it first", "version-active")
            self._api.deregister(id, purge=True)
        self._api.delete_variable(variable_path(id))

    def _converge(self, workload: Workload) -> None:
        job = self._find(workload.id)
        if job is not None and not is_ours(job.get("Meta"), self._instance):
            raise SchedulerError(
                f"Nomad has a job {workload.id} that this Serai did not make; rename the deployment, or remove the job",
                "job-exists",
            )
        if job is None or job.get("Stop") or digest_of(job.get("Meta")) != workload.digest:
            self._register(workload, int(job["JobModifyIndex"]) if job else 0)
        elif _count(job) != workload.count:
            self._api.scale(workload.id, workload.count, f"Serai: {workload.count} replicas wanted", _group(job))

    def _register(self, workload: Workload, index: int) -> None:
        if items := self._secrets(workload):
            self._api.put_variable(variable_path(workload.id), items)
        job = self._render(workload)
        answer = self._api.register(job, enforce_index=index, source=json.dumps(job, indent=2))
        if warnings := answer.get("Warnings"):
            log.debug("%s: Nomad warns: %s", workload.id, " ".join(str(warnings).split()))

    def _find(self, id: str) -> Json | None:
        try:
            return self._api.job(id)
        except NotFound:
            return None


def variable_path(id: str) -> str:
    """Return where a job's own tasks, and nobody else's, may read its secrets."""
    return f"nomad/jobs/{id}"


def _count(job: Json) -> int:
    return int(job["TaskGroups"][0].get("Count") or 0)


def _group(job: Json) -> str:
    return str(job["TaskGroups"][0]["Name"])


def _lives(row: Json) -> bool:
    return is_active(row) or row.get("ClientStatus") in {"pending", "running", "unknown"}
