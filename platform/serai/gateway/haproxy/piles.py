"""Turn HAProxy's lines into piles, a few operations for each: 20,000 a second are a small part of a core. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import add, sub

from serai.domain.finished import FinishedRequest
from serai.gateway.pile import Pile
from serai.gateway.record import encode_record

from .records import LENGTHS, SPAN, End, parse_line, parse_span, read_end

# Of a line's fields, by `records.py`.
_BEGAN, _TOTAL, _FIRST, _WAIT, _DEPLOYMENT, _KEY, _WORKER = 0, 1, 2, 3, 4, 15, 16
_WAY = slice(4, 9)
_UPLOAD, _REQUEST_HEAD, _DOWNLOAD, _ANSWER_HEAD = 9, 10, 11, 12
_NONE = b"-"


@dataclass(frozen=True, slots=True)
class Heap:
    """Lines that say the same of where a request went and how it ended, and of the worker that had it."""

    deployment: str
    backend: bytes
    worker: int
    end: End
    lines: Sequence[bytes]
    columns: Sequence[Sequence[bytes]]
    began_us: Sequence[int]
    totals_us: Sequence[int]
    ended_us: Sequence[int]

    def older_than(self, since_us: int) -> Heap | None:
        """Return those that began before; for the journal they are written as records, as they are no others' now."""
        old = [line for line, began_us in zip(self.lines, self.began_us, strict=True) if began_us < since_us]
        heap = _make_heap(old, [line.split(b" ") for line in old]) if old else None
        if heap is None:
            return None
        parsed = (parse_line(line, since_us) for line in old)
        records = [encode_record(line.record).rstrip(b"\n") for line in parsed if line is not None and line.record]
        return replace(heap, lines=records)

    def find_spans(self) -> Iterator[FinishedRequest]:
        """Yield the requests that leave a span: hardly any, so looking for them has to cost nothing."""
        column = self.columns[SPAN] if len(self.columns) > SPAN else ()
        if column.count(_NONE) == len(column):
            return
        for line, field in zip(self.lines, column, strict=True):
            finished = None if field == _NONE else parse_span(line)
            if finished is not None:
                yield finished

    def make_pile(self) -> Pile:
        """Return them as the journal takes them. ValueError where one is no record after all."""
        end, totals = self.end, self.totals_us
        return Pile(
            self.deployment,
            end.version,
            end.replica,
            end.status,
            self.ended_us,
            totals,
            [int(first) for first in self.columns[_FIRST] if first != _NONE],
            _queues(self.columns[_WAIT], totals, self.columns[_FIRST]),
            self.lines,
            _last_calls(self.columns[_KEY], self.ended_us),
            _sum_bodies(self.columns[_UPLOAD], self.columns[_REQUEST_HEAD]),
            _sum_bodies(self.columns[_DOWNLOAD], self.columns[_ANSWER_HEAD]),
        )


def heap_up(lines: Iterable[bytes]) -> tuple[list[Heap], list[bytes]]:
    """Return heaps of lines, and the lines that cannot be read.

    What goes nowhere is left out, and what HAProxy says of itself.
    """
    sorted_out: dict[tuple[bytes, ...], list[tuple[bytes, list[bytes]]]] = defaultdict(list)
    unread = []
    for line in lines:
        fields = line.split(b" ")
        if len(fields) in LENGTHS:
            sorted_out[(fields[_WORKER], *fields[_WAY])].append((line, fields))
    heaps = []
    for together in sorted_out.values():
        try:
            heap = _make_heap([line for line, _ in together], [fields for _, fields in together])
        except ValueError:
            if len(together) == 1:
                unread.append(together[0][0])
                continue
            singly = [heap_up([line]) for line, _ in together]
            heaps += [heap for found, _ in singly for heap in found]
            unread += [line for _, lost in singly for line in lost]
            continue
        if heap is not None:
            heaps.append(heap)
    return heaps, unread


def _make_heap(lines: list[bytes], rows: list[list[bytes]]) -> Heap | None:
    one = rows[0]
    if one[_DEPLOYMENT] == _NONE:
        return None
    columns = list(zip(*rows, strict=True))
    began, totals = list(map(int, columns[_BEGAN])), list(map(int, columns[_TOTAL]))
    end = read_end(one[5], one[6], one[7], one[8])
    deployment = one[_DEPLOYMENT].decode()
    return Heap(
        deployment, one[5], int(one[_WORKER]), end, lines, columns, began, totals, list(map(add, began, totals))
    )


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
    if _NONE in heads:
        known = [(size, head) for size, head in zip(sizes, heads, strict=True) if head != _NONE]
        return sum(max(0, int(size) - int(head)) for size, head in known)
    bodies = list(map(sub, map(int, sizes), map(int, heads)))
    return sum(bodies) if min(bodies) >= 0 else sum(body for body in bodies if body > 0)


def _last_calls(keys: Sequence[bytes], ended_us: Sequence[int]) -> Mapping[str, float]:
    """Return when each key called last: lines come in the order in which requests ended, all but."""
    if keys.count(_NONE) == len(keys):
        return {}
    return {key.decode(): at / 1e6 for key, at in zip(keys, ended_us, strict=True) if key != _NONE}
