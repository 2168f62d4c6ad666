"""The logs of a version: its replicas' lines merged in the order of time, filtered, and followed."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from serai.domain.errors import Invalid, NotFound
from serai.domain.log_filter import LogFilter
from serai.domain.observation import LogLine
from serai.plugin.log_store import LogReading
from serai.reconcile.cluster import Cluster
from serai.reconcile.log_book import LogBook
from serai.reconcile.views import VersionView

from .log_position import encode_position, unknown_cursor

# More replicas than people read; their cursors travel with every line.
MAX_REPLICAS = 64


@dataclass(frozen=True, slots=True)
class PlacedLine:
    """A line and where the reader was behind it."""

    line: LogLine
    cursors: Mapping[str, str]

    @property
    def position(self) -> str:
        """What resumes behind this line, as `after`."""
        return encode_position(self.cursors)


class LogFeed:
    """Reads the logs of one version from `cursors` (by replica) on. For one thread.

    `cursors` moves on with every line that was looked at, wanted or not, so that nothing is read twice.
    """

    def __init__(
        self, cluster: Cluster, book: LogBook, name: str, number: int, wanted: LogFilter, cursors: dict[str, str]
    ) -> None:
        self._cluster = cluster
        self._book = book
        self._name = name
        self._number = number
        self._wanted = wanted
        self.cursors = cursors

    def read(self, last: int | None = None) -> Iterator[PlacedLine]:
        """Yield the wanted lines that are kept now, in the order of time. Raise NotFound for an unknown replica.

        With `last`, the beginning may be left out as far as the last so many wanted lines are there.
        """
        readings = {replica: reading for replica in self._replicas() if (reading := self._open(replica, last))}
        for line in heapq.merge(*readings.values(), key=lambda line: line.at):
            self.cursors[line.replica] = line.cursor
            yield PlacedLine(line, dict(self.cursors))
        for replica, reading in readings.items():  # what follows was looked at, too
            if reading.cursor is not None:
                self.cursors[replica] = reading.cursor

    @property
    def position(self) -> str:
        return encode_position(self.cursors)

    def has_ended(self) -> bool:
        """True if no replica is alive and none is to come: everything has been said."""
        view = self._view()
        return not view.status.state.is_active and not any(replica.live for replica in view.replicas)

    def _view(self) -> VersionView:
        return find_version(self._cluster, self._name, self._number)

    def _replicas(self) -> list[str]:
        if self._wanted.replica is not None:
            return [self._wanted.replica]
        return list_replicas(self._book, self._view())[:MAX_REPLICAS]

    def _open(self, replica: str, last: int | None) -> LogReading | None:
        """Return a replica's lines behind its cursor; None for one that has gone since it was listed."""
        workload = self._view().version.workload
        after = self.cursors.get(replica)
        try:
            reading = self._book.read(workload, replica, self._wanted, after)
            if after is None and last is not None:
                start = self._book.find_last(workload, replica, self._wanted, last)
                reading = self._book.read(workload, replica, self._wanted, start)
        except NotFound:
            if self._wanted.replica is not None and after is None:
                raise
            return None
        except Invalid as error:  # a cursor that was never given out
            raise unknown_cursor() from error
        return reading


def list_replicas(book: LogBook, view: VersionView) -> list[str]:
    """Return the replicas that a version has a log of: live, ended, and those that only their logs are left of."""
    return [replica.id for replica in view.replicas] + [kept.replica for kept in book.list_past(view)]


def take_lines(lines: Iterator[PlacedLine], limit: int, tail: int | None) -> list[PlacedLine]:
    """Return the first `limit` lines, or with `tail` the last so many."""
    if tail is not None:
        return list(deque(lines, maxlen=min(tail, limit)))
    return list(islice(lines, limit))


def find_version(cluster: Cluster, name: str, number: int) -> VersionView:
    """Return the view of a version. Raise NotFound."""
    view = cluster.view(name).version(number)
    if view is None:
        raise NotFound(f"{name} has no version {number}", "version-not-found")
    return view
