"""Hold requests until something changed or a place is free, with a bound on how many are held at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from serai.domain.errors import CapacityExceeded
from serai.telemetry.span_intake import SpanIntake

from .attempts import Attempts

T = TypeVar("T")
IsGone = Callable[[], bool]

MAX_WAIT_S = 300.0
# A held request looks up this often whether its caller has gone or the server is closing.
_SLICE_S = 1.0


@dataclass(frozen=True, slots=True)
class Limits:
    """How many requests may be held at once: blocking reads, gateways' reads of the routes, streams, downloads' queue.

    Each of them takes one of the server's `threads`; what is left answers everything else. `bundle_bytes`: the
    largest bundle that is taken. `body_bytes`: the largest body; a larger bundle comes in parts. Bodies are read
    before it is known who calls, so this also bounds what a stranger can have written to the disk. `downloads`: how
    many bundles are sent at once; each takes a connection, but a thread only while it waits in the queue, at most
    `download_wait_s`: schedulers count a refused download as a crash of the replica.
    """

    reads: int
    routes: int
    streams: int
    threads: int
    bundle_bytes: int
    body_bytes: int = 64 * 2**20
    downloads: int = 256
    download_queue: int = 1
    download_wait_s: float = 30.0

    @staticmethod
    def of_threads(threads: int = 64, bundle_bytes: int = 8 * 2**30) -> Limits:
        """Return limits that leave a quarter of the threads free."""
        quarter, eighth = max(1, threads // 4), max(1, threads // 8)
        return Limits(quarter, eighth, quarter, threads, bundle_bytes, download_queue=eighth)


class Waiting:
    """Where requests are held. One for each app; `close` lets all of them go."""

    def __init__(self, limits: Limits) -> None:
        self.closing = threading.Event()
        self._reads = threading.Semaphore(limits.reads)
        self._routes = threading.Semaphore(limits.routes)
        self._streams = threading.Semaphore(limits.streams)
        self._downloads = threading.Semaphore(limits.downloads)
        self._download_queue = threading.Semaphore(limits.download_queue)
        self._download_wait_s = limits.download_wait_s

    def read(self, look: Callable[[float], T], is_news: Callable[[T], bool], wait_s: float, is_gone: IsGone) -> T:
        """Return the first answer of `look(timeout_s)` that is news, or the last one after `wait_s`.

        Answers at once, news or not, where as many as may be are held already: the caller asks again.
        """
        return self._hold(self._reads, look, is_news, wait_s, is_gone)

    def read_routes(
        self, look: Callable[[float], T], is_news: Callable[[T], bool], wait_s: float, is_gone: IsGone
    ) -> T:
        """Do what `read` does, in places of its own: pages that wait must not hold up a gateway."""
        return self._hold(self._routes, look, is_news, wait_s, is_gone)

    def enter_stream(self) -> Callable[[], None]:
        """Take a stream's place and return what gives it back (once). Raise CapacityExceeded where none is free."""
        if not self._streams.acquire(blocking=False):
            raise CapacityExceeded("too many streams are open; try again soon", "too-many-streams", 5.0)
        return _once(self._streams.release)

    def enter_download(self, is_gone: IsGone) -> Callable[[], None]:
        """Take a download's place, waiting for one if need be, and return what gives it back (once).

        Raise CapacityExceeded where none gets free in time, or as many wait already as may.
        """
        if self._downloads.acquire(blocking=False) or self._queue_for_download(is_gone):
            return _once(self._downloads.release)
        raise CapacityExceeded("too many bundles are being downloaded; try again soon", "too-many-downloads", 5.0)

    def close(self) -> None:
        """Let everything held go, now and later."""
        self.closing.set()

    def _queue_for_download(self, is_gone: IsGone) -> bool:
        deadline = time.monotonic() + self._download_wait_s
        with _entered(self._download_queue) as is_inside:
            while is_inside and not (self.closing.is_set() or is_gone()):
                left_s = deadline - time.monotonic()
                if left_s <= 0:
                    break
                if self._downloads.acquire(timeout=min(left_s, _SLICE_S)):
                    return True
        return False

    def _hold(
        self,
        places: threading.Semaphore,
        look: Callable[[float], T],
        is_news: Callable[[T], bool],
        wait_s: float,
        is_gone: IsGone,
    ) -> T:
        answer = look(0.0)
        if is_news(answer) or wait_s <= 0:
            return answer
        with _entered(places) as is_inside:
            deadline = time.monotonic() + min(wait_s, MAX_WAIT_S)
            while is_inside and not (is_news(answer) or self.closing.is_set() or is_gone()):
                left_s = deadline - time.monotonic()
                if left_s <= 0:
                    break
                answer = look(min(left_s, _SLICE_S))
        return answer


@contextmanager
def _entered(places: threading.Semaphore) -> Iterator[bool]:
    is_inside = places.acquire(blocking=False)
    try:
        yield is_inside
    finally:
        if is_inside:
            places.release()


def _once(release: Callable[[], None]) -> Callable[[], None]:
    """Return what calls `release` the first time it is called itself, from whichever thread."""
    left = iter((release,))

    def leave() -> None:
        for give_back in left:
            give_back()

    return leave


@dataclass(frozen=True, slots=True)
class Edge:
    """What belongs to one app: where requests are held, how much of everything, what takes spans, and which sign-ins
    have failed."""

    waiting: Waiting
    limits: Limits
    spans: SpanIntake
    attempts: Attempts = field(default_factory=Attempts)
