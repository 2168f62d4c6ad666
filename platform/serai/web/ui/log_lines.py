"""Lines of one replica or of all replicas of a version in the order of time, and what of them asks for attention."""

from __future__ import annotations

import heapq
import re
from collections import deque
from collections.abc import Iterable, Iterator

from serai.domain.errors import NotFound
from serai.domain.log_filter import LogFilter
from serai.domain.observation import LogLine, Stream
from serai.reconcile.log_book import LogBook
from serai.reconcile.views import VersionView

_ERROR = re.compile(r"\b(?:ERROR|CRITICAL|FATAL|PANIC|Traceback|Exception|\w+Error)\b|\bpanic:|\berror:", re.ASCII)
_WARNING = re.compile(r"\b(?:WARN|WARNING|warning:)", re.ASCII)


def level_of(line: LogLine) -> str:
    """Return `error`, `warning`, `system` or "". Static modules judge lines that arrive later by the same words."""
    if _ERROR.search(line.text):
        return "error"
    if _WARNING.search(line.text):
        return "warning"
    return "system" if line.stream is Stream.SYSTEM else ""


def load_lines(book: LogBook, view: VersionView, replicas: Iterable[str], wanted: LogFilter) -> Iterator[LogLine]:
    """Yield the wanted lines of some replicas by time. A replica that is gone has none."""
    sources = [_read(book, view.version.workload, replica, wanted, None) for replica in replicas]
    return heapq.merge(*sources, key=lambda line: line.at)


def load_last_lines(
    book: LogBook, view: VersionView, replicas: Iterable[str], wanted: LogFilter, count: int
) -> list[LogLine]:
    """Return the last wanted lines of some replicas together."""
    sources = [_read(book, view.version.workload, replica, wanted, count) for replica in replicas]
    return list(deque(heapq.merge(*sources, key=lambda line: line.at), maxlen=count))


def _read(book: LogBook, workload: str, replica: str, wanted: LogFilter, last: int | None) -> Iterator[LogLine]:
    """Yield a replica's lines; with `last` the beginning may be left out as far as so many are there."""
    try:
        reading = book.read(workload, replica, wanted)
        if last is not None and (start := book.find_last(workload, replica, wanted, last)):
            reading = book.read(workload, replica, wanted, start)
        yield from reading
    except NotFound:
        return
