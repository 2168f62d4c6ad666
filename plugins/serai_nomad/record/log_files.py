"""The log files of a replica on its node, read in pieces; needs the right read-fs."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Protocol

from serai.domain.errors import SchedulerUnavailable
from serai_nomad.agent.calls import Calls, as_rows, quote_id, speaking
from serai_nomad.facts import Json

from .log_position import Channel, LogFile, parse_file_name

FOLDER = "alloc/logs"
_READ_S = 10.0
_TRIES = 3
# What an agent sends with status 200 in place of a file's bytes when the file is gone.
_GONE = re.compile(rb"^(stat|open|lstat) /[^\n]*: no such file or directory$")


class LogFiles(Protocol):
    """The files of each channel as they were at one moment, in order, and their bytes."""

    @property
    def files(self) -> Mapping[Channel, Sequence[LogFile]]: ...

    def fetch(self, file: LogFile, offset: int, limit: int) -> bytes | None:
        """Return up to `limit` bytes, None if the file is gone."""
        ...

    def close(self) -> None: ...


class NodeFiles:
    """Files listed and read by `fs/ls` and `fs/readat`. Holds no connection between calls.

    Raise NotFound if the node does not know the allocation (any more), SchedulerError `permission-denied`.
    """

    def __init__(self, api: Calls, allocation: str) -> None:
        self._api = api
        self._allocation = quote_id(allocation)
        self.files: Mapping[Channel, Sequence[LogFile]] = self._list()

    def fetch(self, file: LogFile, offset: int, limit: int) -> bytes | None:
        """Agents send errors as text with status 200; so bytes that do not look right are asked for again."""
        for _ in range(_TRIES):
            data = self._read(file, offset, limit)
            is_certain = len(data) == limit and not _GONE.match(data)
            if is_certain:
                return data
            if file.number not in {found.number for found in self._list().get(file.channel, ())}:
                return None
            if len(data) == limit:
                return data  # a line that reads like the error
        raise SchedulerUnavailable(
            f"the node does not give the log file {file.name} of {self._allocation} that it lists"
        )

    def _read(self, file: LogFile, offset: int, limit: int) -> bytes:
        query = {"path": f"{FOLDER}/{file.name}", "offset": offset, "limit": limit}
        path = f"/v1/client/fs/readat/{self._allocation}"
        return self._api.call("GET", path, query, read_s=_READ_S).content

    def close(self) -> None:
        """Nothing is open."""

    def _list(self) -> dict[Channel, list[LogFile]]:
        path = f"/v1/client/fs/ls/{self._allocation}"
        with speaking():
            rows = as_rows(self._api.call("GET", path, {"path": FOLDER}, read_s=_READ_S).json())
        found: defaultdict[Channel, list[LogFile]] = defaultdict(list)
        for row in rows:
            if file := _make_file(row):
                found[file.channel].append(file)
        return {channel: sorted(files, key=lambda file: file.number) for channel, files in found.items()}


def _make_file(row: Json) -> LogFile | None:
    named = parse_file_name(str(row.get("Name") or ""))
    if named is None or row.get("IsDir"):
        return None
    return LogFile(*named, int(row.get("Size") or 0), parse_time(str(row.get("ModTime") or "")))


def parse_time(text: str) -> datetime:
    """Return Go's RFC 3339 time, with up to nine digits of a second."""
    whole = re.sub(r"(\.\d{6})\d+", r"\1", text)
    return datetime.fromisoformat(whole).astimezone(UTC)
