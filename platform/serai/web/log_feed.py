"""The logs of a version: its replicas' lines merged in the order of time, filtered, and followed."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from serai.domain.errors import NotFound
from serai.domain.observation import LogLine, Stream
from serai.plugin.scheduler import Scheduler
from serai.reconcile.cluster import Cluster
from serai.reconcile.views import VersionView

from .log_position import encode_position, unknown_cursor

# More replicas than people read; their cursors travel with every line.
MAX_REPLICAS = 64


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Which lines are wanted; None is all. `text` is found in capitals or not."""

    replica: str | None = None
    stream: Stream | None = None
    since: datetime | None = None
    text: str | None = None

    def has(self, line: LogLine) -> bool:
        return (self.since is None or line.at >= self.since) and (
            self.text is None or self.text.casefold() in line.text.casefold()
        )


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
        self, cluster: Cluster, scheduler: Scheduler, name: str, number: int, wanted: LogFilter, cursors: dict[str, str]
    ) -> None:
        self._cluster = cluster
        self._scheduler = scheduler
        self._name = name
        self._number = number
        self._wanted = wanted
        self.cursors = cursors

    def read(self) -> Iterator[PlacedLine]:
        """Yield the wanted lines that are kept now, in the order of time. Raise NotFound for an unknown replica."""
        replicas = self._replicas()
        for line in heapq.merge(*(self._lines(replica) for replica in replicas), key=lambda line: line.at):
            self.cursors[line.replica] = line.cursor
            if self._wanted.has(line):
                yield PlacedLine(line, dict(self.cursors))

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
        known = [replica.id for replica in self._view().replicas]
        if self._wanted.replica is None:
            return known[:MAX_REPLICAS]
        return [self._wanted.replica]

    def _lines(self, replica: str) -> Iterator[LogLine]:
        """Yield a replica's lines behind its cursor; none of one that has gone since it was listed."""
        workload = self._view().version.workload
        after = self.cursors.get(replica)
        try:
            yield from self._scheduler.logs(workload, replica, self._wanted.stream, after)
        except NotFound:
            if self._wanted.replica is not None and after is None:
                raise
        except ValueError as error:  # a cursor that this scheduler never gave out
            raise unknown_cursor() from error


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
