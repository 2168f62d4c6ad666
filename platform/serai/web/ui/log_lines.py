"""Lines of one replica or of all replicas of a version in the order of time, and what of them asks for attention."""

from __future__ import annotations

import heapq
import re
from collections import deque
from collections.abc import Iterable, Iterator
from datetime import datetime

from serai.domain.errors import NotFound
from serai.domain.observation import LogLine, Stream
from serai.plugin import Scheduler
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


def load_lines(
    scheduler: Scheduler, view: VersionView, replica: str, stream: Stream | None, since: datetime | None
) -> Iterator[LogLine]:
    """Yield the kept lines of a replica, or of all with "", by time. A replica that is gone has none."""
    names = [replica] if replica else [one.id for one in view.replicas]
    sources = [_read(scheduler, view.version.workload, name, stream) for name in names]
    lines = heapq.merge(*sources, key=lambda line: line.at)
    return (line for line in lines if since is None or line.at >= since)


def keep_last(lines: Iterable[LogLine], count: int) -> list[LogLine]:
    return list(deque(lines, maxlen=count))


def _read(scheduler: Scheduler, workload: str, replica: str, stream: Stream | None) -> Iterator[LogLine]:
    try:
        yield from scheduler.logs(workload, replica, stream)
    except NotFound:
        return
