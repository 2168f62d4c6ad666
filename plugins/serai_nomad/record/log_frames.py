"""The logs of a replica by `fs/logs`, which needs no more than the right read-logs: all that is kept, each time."""

from __future__ import annotations

import base64
import json
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime
from typing import IO, Any

import requests
import urllib3

from serai.domain.errors import NotFound, SchedulerUnavailable
from serai_nomad.agent.calls import Calls, quote_id
from serai_nomad.agent.event_lines import CUT

from .log_position import CHANNELS, Channel, LogFile, parse_file_name

_READ_S = 15.0
_IN_MEMORY_BYTES = 1024 * 1024
_PIECE_BYTES = 65536


class FramedFiles:
    """Files filled from frames, in memory while they are small and on disk else; read at once, so that no connection
    is held afterwards. `tasks` are those that there are; `modified_at` is what every file is said to have been written
    at: frames do not tell.

    Raise NotFound if the node does not know the allocation (any more).
    """

    def __init__(self, api: Calls, allocation: str, tasks: Collection[str], modified_at: datetime) -> None:
        self._api = api
        self._allocation = allocation
        self._stack = ExitStack()
        self._spools: dict[tuple[Channel, int], IO[bytes]] = {}
        try:
            for channel in CHANNELS:
                if channel.task in tasks:
                    self._fill(channel)
        except BaseException:
            self.close()
            raise
        self.files: Mapping[Channel, Sequence[LogFile]] = {
            channel: [
                LogFile(channel, number, spool.seek(0, 2), modified_at)
                for (found, number), spool in sorted(self._spools.items(), key=lambda item: item[0][1])
                if found == channel
            ]
            for channel in CHANNELS
        }

    def fetch(self, file: LogFile, offset: int, limit: int) -> bytes | None:
        spool = self._spools[file.channel, file.number]
        spool.seek(offset)
        return spool.read(limit)

    def close(self) -> None:
        self._stack.close()

    def _fill(self, channel: Channel) -> None:
        try:
            for name, data in load_frames(self._api, self._allocation, channel, "start", 0):
                named = parse_file_name(name.rpartition("/")[2])
                if named is not None:
                    self._spool(*named).write(data)
        except NotFound as error:
            if not has_not_started(error):
                raise

    def _spool(self, channel: Channel, number: int) -> IO[bytes]:
        key = (channel, number)
        if key not in self._spools:
            spool = tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES)  # noqa: SIM115 - closed with the others
            self._spools[key] = self._stack.enter_context(spool)
        return self._spools[key]


def load_frames(api: Calls, allocation: str, channel: Channel, origin: str, offset: int) -> Iterator[tuple[str, bytes]]:
    """Yield the file and the bytes of each frame that there is now. Read it to the end or close it.

    A frame's Offset is no help: Nomad joins pieces and keeps the offset of one of them.
    """
    query = {
        "task": channel.task, "type": channel.output, "origin": origin, "offset": offset,
        "follow": "false", "plain": "false",
    }  # fmt: skip
    with api.open_stream(f"/v1/client/fs/logs/{quote_id(allocation)}", query, _READ_S) as response:
        for frame in parse_frames(_pieces(response)):
            if frame.get("Data"):
                yield str(frame.get("File") or ""), base64.b64decode(frame["Data"])


def parse_frames(pieces: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Yield JSON objects that stand next to each other without anything in between, as they are complete."""
    decoder, text = json.JSONDecoder(), ""
    for piece in pieces:
        text = (text + piece).lstrip()
        while text:
            try:
                frame, end = decoder.raw_decode(text)
            except ValueError:  # not complete yet
                break
            if isinstance(frame, dict):
                yield frame
            text = text[end:].lstrip()


def has_not_started(error: NotFound) -> bool:
    """Tell whether a task of a known allocation has no logs yet."""
    return "not started yet" in error.message


def _pieces(response: requests.Response) -> Iterator[str]:
    """Yield what comes as text: frames are ASCII."""
    try:
        while data := response.raw.read1(_PIECE_BYTES):
            yield data.decode("ascii", "replace")
    except (urllib3.exceptions.HTTPError, *CUT) as error:
        raise SchedulerUnavailable(f"Nomad broke off in the middle of a log ({error})") from error
