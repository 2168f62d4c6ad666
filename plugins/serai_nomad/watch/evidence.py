"""The last log lines of a replica that ended badly, read once while they can still be had."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

from serai.domain.errors import SeraiError
from serai.domain.observation import Observation, Replica
from serai.domain.reasons import Reason
from serai_nomad.facts import Json
from serai_nomad.names import INSTALL, TASK

from .ledger import KnownJob

log = logging.getLogger(__name__)

_MOST_KEPT = 2_000
_ENDED_SHOWN = 3


class Evidence:
    """Adds log tails to the reasons of crashed replicas. `tail` reads the last lines of an allocation's task.

    A crash loop destroys its own evidence (a client forgets old allocations), so the lines are read when a crash is
    first seen, before the reason that quotes them is stored; each once.
    """

    def __init__(self, tail: Callable[[str, str], tuple[str, ...]]) -> None:
        self._tail = tail
        self._kept: dict[tuple[str, int], tuple[str, ...]] = {}

    def add(self, seen: Observation, job: KnownJob) -> Observation:
        """Return the observation with log lines where a replica ended with an exit code."""
        stubs = {stub["ID"]: stub for stub in job.allocations}
        before = {stub["NextAllocation"]: stub for stub in job.allocations if stub.get("NextAllocation")}
        newest = sorted((r for r in seen.replicas if not r.live), key=lambda r: r.started_at)[-_ENDED_SHOWN:]
        told = {r.id: self._quote(r, stubs, before) for r in seen.replicas if r.live or r in newest}
        replicas = tuple(replace(r, reason=told.get(r.id, r.reason)) for r in seen.replicas)
        failed = self._quote_failure(seen.failed, newest, stubs) if seen.failed else None
        return replace(seen, replicas=replicas, waiting=_quote_again(seen.waiting, replicas), failed=failed)

    def _quote(self, replica: Replica, stubs: dict[str, Json], before: dict[str, Json]) -> Reason | None:
        reason = replica.reason
        if reason is None or reason.exit_code is None or reason.log:
            return reason
        stub = stubs.get(replica.id)
        if not _has_ended(stub):
            stub = before.get(replica.id)
        return replace(reason, log=self._lines(stub, reason)) if stub else reason

    def _quote_failure(self, failed: Reason, newest: list[Replica], stubs: dict[str, Json]) -> Reason:
        if failed.log or failed.exit_code is None or not newest:
            return failed
        return replace(failed, log=self._lines(stubs[newest[-1].id], failed))

    def _lines(self, stub: Json, reason: Reason) -> tuple[str, ...]:
        key = (stub["ID"], int(stub.get("ModifyIndex") or 0))
        if key not in self._kept:
            while len(self._kept) >= _MOST_KEPT:
                self._kept.pop(next(iter(self._kept)))
            self._kept[key] = self._read(stub["ID"], INSTALL if reason.code == "install-failed" else TASK)
        return self._kept[key]

    def _read(self, allocation: str, task: str) -> tuple[str, ...]:
        try:
            return self._tail(allocation, task)
        except SeraiError as error:
            log.debug("no last lines of %s: %s", allocation, error.message)
            return ()


def _quote_again(waiting: Reason | None, replicas: tuple[Replica, ...]) -> Reason | None:
    """Return why replicas are missing, with the lines of the newest one that ended in the way that the reason tells."""
    if waiting is None or waiting.exit_code is None:
        return waiting
    told = [r for r in replicas if r.reason and r.reason.log and r.reason.exit_code == waiting.exit_code]
    newest = max(told, key=lambda replica: replica.started_at, default=None)
    return replace(waiting, log=newest.reason.log) if newest and newest.reason else waiting


def _has_ended(stub: Json | None) -> bool:
    """Tell whether a task of this allocation has ended at least once."""
    states = ((stub or {}).get("TaskStates") or {}).values()
    return any(event.get("Type") == "Terminated" for state in states if state for event in state.get("Events") or ())
