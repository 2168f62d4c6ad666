"""Turn HAProxy's lines into piles, a few operations for each: 20,000 a second are a small part of a core. Pure.

What came together is split at once, and taken by columns: a list for each line would cost more than what it holds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import add, itemgetter, sub

from serai.domain.finished import FinishedRequest
from serai.gateway.pile import Pile
from serai.gateway.record import encode_record

from .records import LENGTHS, SPAN, WAY, Way, parse_line, parse_span, read_way

Columns = Sequence[Sequence[bytes]]

# Of a line's fields, by `records.py`.
_BEGAN, _TOTAL, _FIRST, _WAIT, _KEY = 0, 1, 2, 3, 9
_UPLOAD, _REQUEST_HEAD, _DOWNLOAD, _ANSWER_HEAD = 4, 5, 6, 7
_NONE = b"-"


@dataclass(frozen=True, slots=True)
class Heap:
    """Lines that say the same of whose a request was, where it went and how it ended. Each of `text` has its end."""

    way: Way
    text: bytes
    columns: Columns
    began_us: Sequence[int]
    totals_us: Sequence[int]
    ended_us: Sequence[int]

    def older_than(self, since_us: int) -> Heap | None:
        """Return those that began before; for the journal they are written as records, as they are no others' now."""
        lines = zip(self.text.split(b"\n"), self.began_us, strict=False)
        old = [line for line, began_us in lines if began_us < since_us]
        columns = _split(_join(old)) if old else None
        heap = _make_heap(b"", columns) if columns else None
        if heap is None:
            return None
        parsed = (parse_line(line, since_us) for line in old)
        records = [encode_record(line.record) for line in parsed if line is not None and line.record]
        return replace(heap, text=b"".join(records))

    def find_spans(self) -> Iterator[FinishedRequest]:
        """Yield the requests that leave a span: hardly any, so looking for them has to cost nothing."""
        column = self.columns[SPAN] if len(self.columns) > SPAN else ()
        if column.count(_NONE) == len(column):
            return
        for line, field in zip(self.text.split(b"\n"), column, strict=False):
            finished = None if field == _NONE else parse_span(line)
            if finished is not None:
                yield finished

    def make_pile(self) -> Pile:
        """Return them as the journal takes them. ValueError where one is no record after all."""
        end, totals, columns = self.way.end, self.totals_us, self.columns
        return Pile(
            self.way.deployment,
            end.version,
            end.replica,
            end.status,
            self.ended_us,
            totals,
            _numbers(columns[_FIRST]),
            _queues(columns[_WAIT], totals, columns[_FIRST]),
            self.text,
            _last_calls(columns[_KEY], self.ended_us),
            _sum_bodies(columns[_UPLOAD], columns[_REQUEST_HEAD]),
            _sum_bodies(columns[_DOWNLOAD], columns[_ANSWER_HEAD]),
        )


def heap_up(text: bytes) -> tuple[list[Heap], list[bytes]]:
    """Return heaps of whole lines, and the lines that cannot be read.

    What goes nowhere is left out, and what HAProxy says of itself.
    """
    columns = _split(text)
    if columns is None:
        return _put_together(heap_up(_join(lines)) for lines in _by_length(text) if lines)
    if columns[WAY].count(columns[WAY][0]) == len(columns[WAY]):
        return _read_heap(text, columns)
    return _put_together(_read_heap(*alike) for alike in _part(text, columns))


def _split(text: bytes) -> Columns | None:
    """Return the columns of lines, None where they are not all ours and of one length."""
    fields = text.replace(b"\n", b" \n ").split(b" ")
    width = fields.index(b"\n") + 1 if text else 0
    if width - 1 not in LENGTHS:
        return None
    count, rest = divmod(len(fields), width)
    if rest != 1 or fields[width - 1 :: width].count(b"\n") != count:
        return None
    return [fields[number:-1:width] for number in range(width - 1)]


def _join(lines: Iterable[bytes]) -> bytes:
    return b"".join([line + b"\n" for line in lines])


def _by_length(text: bytes) -> Iterable[list[bytes]]:
    """Return lines of ours, sorted by how many fields they have."""
    found: dict[int, list[bytes]] = {length: [] for length in LENGTHS}
    for line in text.split(b"\n"):
        length = line.count(b" ") + 1
        if length in found:
            found[length].append(line)
    return found.values()


def _part(text: bytes, columns: Columns) -> Iterator[tuple[bytes, Columns]]:
    """Yield what says the same of the way."""
    places = defaultdict(list)
    for place, way in enumerate(columns[WAY]):
        places[way].append(place)
    lines = text.split(b"\n")
    for chosen in places.values():
        pick = itemgetter(slice(chosen[0], chosen[0] + 1)) if len(chosen) == 1 else itemgetter(*chosen)
        yield _join(pick(lines)), [pick(column) for column in columns]


def _put_together(parts: Iterable[tuple[list[Heap], list[bytes]]]) -> tuple[list[Heap], list[bytes]]:
    found: list[Heap] = []
    unread: list[bytes] = []
    for heaps, lost in parts:
        found += heaps
        unread += lost
    return found, unread


def _read_heap(text: bytes, columns: Columns) -> tuple[list[Heap], list[bytes]]:
    """Return the one heap of these lines; where one cannot be read, the others singly."""
    try:
        heap = _make_heap(text, columns)
    except ValueError:
        lines = text.split(b"\n")[:-1]
        return _put_together(heap_up(line + b"\n") for line in lines) if len(lines) > 1 else ([], lines)
    return ([] if heap is None else [heap]), []


def _make_heap(text: bytes, columns: Columns) -> Heap | None:
    way = read_way(columns[WAY][0])
    if way is None:
        return None
    began, totals = list(map(int, columns[_BEGAN])), list(map(int, columns[_TOTAL]))
    return Heap(way, text, columns, began, totals, list(map(add, began, totals)))


def _numbers(column: Sequence[bytes]) -> Sequence[int]:
    """Return the numbers that are there."""
    return list(map(int, column)) if _NONE not in column else [int(field) for field in column if field != _NONE]


def _queues(waits: Sequence[bytes], totals: Sequence[int], firsts: Sequence[bytes]) -> Sequence[int]:
    """Return the microseconds until a replica was chosen; nearly always there is nothing to reckon."""
    if waits.count(b"0") == len(waits):
        return [0] * len(waits)
    return list(_reckon_queues(waits, totals, firsts))


def _reckon_queues(waits: Sequence[bytes], totals: Sequence[int], firsts: Sequence[bytes]) -> Iterator[int]:
    for wait, total, first in zip(waits, totals, firsts, strict=True):
        wait_ms = int(wait)
        yield total if wait_ms < 0 else min(wait_ms * 1000, total if first == _NONE else int(first))


def _sum_bodies(sizes: Sequence[bytes], heads: Sequence[bytes]) -> int:
    """Return the bytes of all bodies: what went over the wire without the head, whose size is not always known."""
    unknown = heads.count(_NONE)
    if unknown == len(heads):
        return 0
    if unknown:
        known = [(size, head) for size, head in zip(sizes, heads, strict=True) if head != _NONE]
        return sum(max(0, int(size) - int(head)) for size, head in known)
    bodies = list(map(sub, map(int, sizes), map(int, heads)))
    return sum(bodies) if min(bodies) >= 0 else sum(body for body in bodies if body > 0)


def _last_calls(keys: Sequence[bytes], ended_us: Sequence[int]) -> Mapping[str, float]:
    """Return when each key called last: lines come in the order in which requests ended, all but."""
    if keys.count(_NONE) == len(keys):
        return {}
    if keys.count(keys[0]) == len(keys):
        return {keys[0].decode(): ended_us[-1] / 1e6}
    return {key.decode(): at / 1e6 for key, at in zip(keys, ended_us, strict=True) if key != _NONE}
