"""Read server-sent events out of a stream of bytes (the WHATWG format, as far as servers use it)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """One event. `id` is the last one the stream named, "" before the first."""

    kind: str
    data: str
    id: str


def read_events(chunks: Iterable[bytes]) -> Iterator[ServerEvent]:
    """Yield the complete events of a stream; comments and a torn event at the end are left out."""
    kind, last_id = "", ""
    data: list[str] = []
    for line in split_lines(chunks):
        if not line:
            if data:
                yield ServerEvent(kind or "message", "\n".join(data), last_id)
            kind, data = "", []
            continue
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            data.append(value)
        elif name == "event":
            kind = value
        elif name == "id":
            last_id = value


def split_lines(chunks: Iterable[bytes]) -> Iterator[str]:
    """Yield the lines of a stream, which end in LF or CR LF. Unlike str.splitlines, U+2028 and the like end none."""
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line.removesuffix(b"\r").decode(errors="replace")
