"""The log of a replica: both streams of the task that installs and of the model, from the beginning or a cursor."""

from __future__ import annotations

import heapq
import time
from collections import deque
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime

from serai.domain.errors import NotFound, SchedulerError
from serai.domain.observation import LogLine, Stream
from serai_nomad.agent.agent_errors import PERMISSION_DENIED
from serai_nomad.agent.calls import Calls
from serai_nomad.facts import Json
from serai_nomad.names import TASK

from .log_files import LogFiles, NodeFiles, parse_time
from .log_frames import FramedFiles, load_frames
from .log_lines import RawLine, split_lines
from .log_moments import Moments
from .log_position import CHANNELS, Channel, Position, decode_cursor

COLLECTED = "allocation-collected"
# How long files are not asked for after that was denied.
_DENIED_S = 300.0
_TAIL_BYTES = 16_384


@dataclass(frozen=True, slots=True)
class LogSource:
    """What is known of the replica whose log is read.

    `tasks`: those that its node has received. `ended`: those of them that will write no more. `has_started`: some task
    has been started. `ended_at`: when the last one ended, None while the replica lives or where Nomad does not tell.
    """

    allocation: str
    tasks: frozenset[str] = frozenset()
    ended: frozenset[str] = frozenset()
    has_started: bool = True
    ended_at: datetime | None = None


def make_source(allocation: Json) -> LogSource:
    """Return what an allocation, or its stub with TaskStates, says of its log."""
    states = {name: state for name, state in (allocation.get("TaskStates") or {}).items() if state}
    is_over = allocation.get("ClientStatus") in {"complete", "failed", "lost"}
    ended = {name for name, state in states.items() if is_over or state.get("State") == "dead"}
    ends = [parse_time(text) for state in states.values() if (text := state.get("FinishedAt"))]
    return LogSource(
        allocation=str(allocation["ID"]),
        tasks=frozenset(states),
        ended=frozenset(ended),
        has_started=any(state.get("StartedAt") for state in states.values()),
        ended_at=max(ends, default=None) if is_over else None,
    )


class LogReader:
    """Reads logs of replicas. Holds no connection between lines. Safe from any thread.

    Without the right read-fs it reads by `fs/logs`, with the same lines and cursors, but all of them each time: give
    the token read-fs where logs are long.
    """

    def __init__(self, api: Calls) -> None:
        self._api = api
        self._moments = Moments()
        self._denied_until = float("-inf")

    def read(self, source: LogSource, stream: Stream | None = None, after: str | None = None) -> Iterator[LogLine]:
        """Yield the kept lines behind the cursor `after`, those of `stream` only if one is named, without waiting.

        Lines come in the order of their times (see Moments), each output's own in the order they were written. Output
        of the task that installs is Stream.SYSTEM. A cursor says how far each output has been read, so it resumes
        exactly, whatever has been rotated; with `stream` lines have the cursors they have without.

        Raise Invalid for what is no cursor, NotFound (`allocation-collected`) where the node has forgotten the
        replica, SchedulerUnavailable (`node-unreachable`) while its node cannot be asked.
        """
        positions = decode_cursor(after)
        files = self._open(source)
        if files is None:
            return
        with closing(files):
            readers = [self._read_channel(source, files, place, start) for place, start in enumerate(positions)]
            told, streams = [str(position) for position in positions], [channel.stream for channel in CHANNELS]
            for at, place, line in heapq.merge(*readers, key=lambda found: found[:2]):
                told[place] = str(line.end)
                if stream is None or stream is streams[place]:
                    yield LogLine(at, source.allocation, streams[place], line.text, "-".join(told))

    def tail(self, allocation: str, task: str = TASK, lines: int = 10) -> tuple[str, ...]:
        """Return the last lines of a task's stderr, or of its stdout where that is empty; () where there are none.

        Raise SchedulerError where they cannot be had.
        """
        for output in ("stderr", "stdout"):
            if found := self._tail_of(allocation, Channel(task, output), lines):
                return found
        return ()

    def _read_channel(
        self, source: LogSource, files: LogFiles, place: int, start: Position
    ) -> Iterator[tuple[datetime, int, RawLine]]:
        """Yield the lines of a channel with their times and its place in CHANNELS."""
        channel, file, tell = CHANNELS[place], None, None
        is_ended = channel.task in source.ended
        for line in split_lines(files.files.get(channel, ()), start, is_ended, files.fetch):
            if file is not line.file or tell is None:
                file, tell = line.file, self._moments.of(source.allocation, line.file)
            yield tell(line.end.offset), place, line

    def _open(self, source: LogSource) -> LogFiles | None:
        """Return the files of a replica, None if there are none yet."""
        try:
            files = self._list(source)
        except NotFound as error:
            if not source.has_started:
                return None
            raise NotFound(
                f"the logs of the replica {source.allocation} are gone: its node keeps those of a limited number of "
                "ended replicas; raise gc_max_allocs in the client's configuration to keep more",
                COLLECTED,
            ) from error
        self._moments.note(source.allocation, (file for found in files.files.values() for file in found))
        return files

    def _list(self, source: LogSource) -> LogFiles:
        if time.monotonic() >= self._denied_until:
            try:
                return NodeFiles(self._api, source.allocation)
            except SchedulerError as error:
                if error.code != PERMISSION_DENIED:
                    raise
                self._denied_until = time.monotonic() + _DENIED_S
        return FramedFiles(self._api, source.allocation, source.tasks, source.ended_at or datetime.now(UTC))

    def _tail_of(self, allocation: str, channel: Channel, lines: int) -> tuple[str, ...]:
        try:
            data = b"".join(data for _, data in load_frames(self._api, allocation, channel, "end", _TAIL_BYTES))
        except NotFound:
            return ()
        texts = data.decode("utf-8", "replace").splitlines()
        if len(data) >= _TAIL_BYTES:
            texts = texts[1:]  # most likely cut in the middle
        return tuple(deque((text.rstrip() for text in texts if text.strip()), maxlen=lines))
