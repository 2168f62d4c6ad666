"""Let replicas finish their requests before they are told to stop.

A replica that is to leave is taken out of the routes first. It is drained when every gateway that follows the
routes has applied a table without it and carries no request to it any more, or when the version's drain time is
over. Gateways say both with each read of the routes, so that need not be stored. Which gateways there are is
(`attendance`): to a server that has just started, one that has not read yet is not one that carries nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

# A read is answered after 30 s at the latest, and the next one follows. Who has not read for longer does not carry our
# requests any more; a gateway whose own process has died, and is started again, needs less.
SILENT_AFTER_S = 35.0


@dataclass(frozen=True, slots=True)
class Follower:
    """What a gateway said last: the table it applied, the leaving replicas it still carries requests to, and when."""

    applied: int
    busy: frozenset[str]
    seen_s: float


@dataclass(frozen=True, slots=True)
class Leave:
    deployment: str
    since_s: float
    index: int | None  # the first table without the replica; None until it is published


class Drains:
    """Replicas on their way out. Times are of `monotonic`, in seconds."""

    def __init__(self, monotonic: Callable[[], float], known: Collection[str] = ()) -> None:
        """`known` are gateways that followed an earlier server: they are waited for as if they had just read."""
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._leaving: dict[str, Leave] = {}
        self._followers = {gateway: Follower(0, frozenset(), monotonic()) for gateway in known}

    def leaving(self) -> frozenset[str]:
        """Return the replicas that get no new requests."""
        with self._lock:
            return frozenset(self._leaving)

    def deployments(self) -> frozenset[str]:
        """Return the deployments with replicas on their way out."""
        with self._lock:
            return frozenset(leave.deployment for leave in self._leaving.values())

    def set_leaving(self, deployment: str, replicas: Collection[str]) -> None:
        """Say which replicas of a deployment are to leave; the others of it stay, or have ended."""
        now_s = self._monotonic()
        with self._lock:
            for replica in [r for r, leave in self._leaving.items() if leave.deployment == deployment]:
                if replica not in replicas:
                    del self._leaving[replica]
            for replica in replicas:
                self._leaving.setdefault(replica, Leave(deployment, now_s, None))

    def note_published(self, index: int) -> None:
        """A table without all that are leaving now has been published."""
        with self._lock:
            for replica, leave in self._leaving.items():
                if leave.index is None:
                    self._leaving[replica] = replace(leave, index=index)

    def note_follower(self, gateway: str, applied: int, busy: Collection[str]) -> None:
        """A gateway reads the routes: it applied the table `applied` and carries requests to `busy` replicas."""
        with self._lock:
            self._followers[gateway] = Follower(applied, frozenset(busy), self._monotonic())

    def note_answered(self, gateway: str) -> None:
        """A gateway's read, which may have been held for long, is answered: it was there until now."""
        with self._lock:
            if follower := self._followers.get(gateway):
                self._followers[gateway] = replace(follower, seen_s=self._monotonic())

    def forget_silent(self) -> set[str]:
        """Forget the gateways that do not read any more, and return them."""
        now_s = self._monotonic()
        with self._lock:
            silent = {gateway for gateway, follower in self._followers.items() if _is_silent(follower, now_s)}
            for gateway in silent:
                del self._followers[gateway]
            return silent

    def is_drained(self, replicas: Collection[str], drain_timeout_s: float) -> bool:
        """True if all of `replicas` were set to leave and may be stopped."""
        now_s = self._monotonic()
        with self._lock:
            followers = [f for f in self._followers.values() if not _is_silent(f, now_s)]
            return all(self._has_left(replica, followers, now_s, drain_timeout_s) for replica in replicas)

    def _has_left(self, replica: str, followers: list[Follower], now_s: float, drain_timeout_s: float) -> bool:
        leave = self._leaving.get(replica)
        if leave is None:
            return False
        if now_s - leave.since_s >= drain_timeout_s:
            return True
        index = leave.index
        return index is not None and all(f.applied >= index and replica not in f.busy for f in followers)


def _is_silent(follower: Follower, now_s: float) -> bool:
    return now_s - follower.seen_s >= SILENT_AFTER_S
