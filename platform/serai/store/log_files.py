"""Logs as files: `<deployment>/v<number>/<replica>/`, within limits of size and age."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote, unquote
from uuid import uuid4

from serai.domain.log_filter import LogFilter
from serai.domain.names import parse_workload_id, workload_id
from serai.domain.observation import LogLine
from serai.plugin.log_store import KeptLog, LogKey, LogStore

from .log_folder import SEGMENT_BYTES, LogFolder
from .log_format import find_span
from .log_reading import FolderReading, split_lines
from .log_segments import list_segments, load_segment

_GONE = ".gone-"
_MARKER_BYTES = 4096  # a marker alone is smaller


@dataclass(frozen=True, slots=True)
class LogLimits:
    """How long lines are kept, and how many bytes, compressed, of a replica and of all together."""

    keep: timedelta = timedelta(days=30)
    replica_bytes: int = 64 * 2**20
    total_bytes: int = 10 * 2**30


class FileLogStore(LogStore):
    """One process appends; any number may read."""

    def __init__(self, root: Path, limits: LogLimits, segment_bytes: int = SEGMENT_BYTES) -> None:
        self._root = root
        self._limits = limits
        self._segment_bytes = segment_bytes
        self._lock = threading.Lock()
        self._folders: dict[LogKey, LogFolder] = {}

    def cursor(self, key: LogKey) -> str | None:
        return self._folder(key).cursor()

    def append(self, key: LogKey, lines: Sequence[LogLine]) -> None:
        folder = self._folder(key)
        if lines and folder.append(lines):
            folder.shorten(self._limits.replica_bytes)

    def seal(self, key: LogKey) -> None:
        self._folder(key).seal()
        with self._lock:
            self._folders.pop(key, None)

    def read(self, key: LogKey, wanted: LogFilter, after: str | None = None) -> FolderReading:
        return FolderReading(self._path(key), key.replica, wanted, after)

    def find_last(self, key: LogKey, wanted: LogFilter, count: int) -> str | None:
        for segment in reversed(list_segments(self._path(key))):
            if segment.span is None or wanted.meets(*segment.span):
                count -= sum(map(wanted.has, split_lines(load_segment(segment), 0, key.replica, segment.number)))
            if count <= 0:
                return f"{segment.number}.0"
        return None

    def list_logs(self, workload: str) -> list[KeptLog]:
        found = [self._describe(path) for path in _list_folders(self._workload_path(workload))]
        return sorted((log for log in found if log), key=lambda log: log.last_at, reverse=True)

    def forget(self, workload: str) -> None:
        with self._lock:
            for key in [key for key in self._folders if key.workload == workload]:
                del self._folders[key]
        path, gone = self._workload_path(workload), self._root / f"{_GONE}{uuid4().hex}"
        with suppress(FileNotFoundError):
            path.rename(gone)  # at once: a reader sees all of it or nothing
            shutil.rmtree(gone, ignore_errors=True)
        with suppress(OSError):
            path.parent.rmdir()

    def prune(
        self, now: datetime, load_workloads: Callable[[], Collection[str]], is_known: Callable[[LogKey], bool]
    ) -> None:
        for gone in self._root.glob(f"{_GONE}*"):
            shutil.rmtree(gone, ignore_errors=True)
        keys = list(self._keys())
        workloads = frozenset(load_workloads())  # after the files were listed: one is made after its version
        for workload in {key.workload for key in keys} - workloads:
            self.forget(workload)
        keys = [key for key in keys if key.workload in workloads]
        for key in keys:
            folder = self._folder(key)
            folder.drop_before(now - self._limits.keep)
            folder.shorten(self._limits.replica_bytes)
            if self._describe(folder.path) is None and not is_known(key):
                self._remove(key)
        self._shorten_all(keys)

    def _shorten_all(self, keys: Sequence[LogKey]) -> None:
        """Remove the oldest segments of all replicas together."""
        found = [(segment, key) for key in keys for segment in list_segments(self._path(key))]
        excess = sum(segment.size_bytes() for segment, _ in found) - self._limits.total_bytes
        closed = sorted((segment.span[1], segment.path, segment, key) for segment, key in found if segment.span)
        for _, _, segment, key in closed:
            if excess <= 0:
                return
            excess -= segment.size_bytes()
            self._folder(key).drop([segment])

    def _remove(self, key: LogKey) -> None:
        with self._lock:
            self._folders.pop(key, None)
        shutil.rmtree(self._path(key), ignore_errors=True)

    def _describe(self, path: Path) -> KeptLog | None:
        """Return what is kept in a replica's folder; None if no line is."""
        segments = list_segments(path)
        if not segments or (len(segments) == 1 and not segments[0].is_closed and _has_no_line(segments[0].path)):
            return None
        last = segments[-1]
        try:
            last_at = last.span[1] if last.span else datetime.fromtimestamp(last.path.stat().st_mtime, UTC)
        except FileNotFoundError:  # closed just now
            last_at = datetime.now(UTC)
        return KeptLog(unquote(path.name), sum(segment.size_bytes() for segment in segments), last_at)

    def _keys(self) -> Iterator[LogKey]:
        for deployment in _list_folders(self._root):
            for version in _list_folders(deployment):
                number = version.name.removeprefix("v")
                if number.isdecimal():
                    for replica in _list_folders(version):
                        yield LogKey(workload_id(deployment.name, int(number)), unquote(replica.name))

    def _folder(self, key: LogKey) -> LogFolder:
        with self._lock:
            if key not in self._folders:
                self._folders[key] = LogFolder(self._path(key), self._segment_bytes)
            return self._folders[key]

    def _path(self, key: LogKey) -> Path:
        # A replica's name is the scheduler's: no character of it may lead out of the folder.
        name = quote(key.replica, safe="")
        return self._workload_path(key.workload) / (name.replace(".", "%2E") if name.strip(".") == "" else name)

    def _workload_path(self, workload: str) -> Path:
        deployment, number = parse_workload_id(workload)
        return self._root / deployment / f"v{number}"


def _list_folders(path: Path) -> list[Path]:
    try:
        with os.scandir(path) as entries:
            return [Path(entry.path) for entry in entries if entry.is_dir() and not entry.name.startswith(_GONE)]
    except (FileNotFoundError, NotADirectoryError):
        return []


def _has_no_line(path: Path) -> bool:
    """Return whether there is nothing but a marker, which is short."""
    try:
        return path.stat().st_size < _MARKER_BYTES and find_span(path.read_bytes().split(b"\n")) is None
    except FileNotFoundError:
        return False
