"""Sort the spans of a batch by what they count as and by series; no I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, TypeVar

from .span_facts import Facts, FactTable
from .span_ids import join_ids

MOST_SPANS = 50_000
"""Spans of one batch; collectors send 8,192 by default."""
WINDOW_NS = 10 * 10**9
SERVER = 2
_ID_BYTES = 16, 8  # of a trace, of a span

Raw = TypeVar("Raw")


class Malformed(ValueError):
    """A body that is not what it has to be. The message is for people."""


class TooManySpans(ValueError):
    """A batch of more than MOST_SPANS."""


class SpanMessage(Protocol):
    """A span as an encoding has it: the fields of OTLP's Span that are looked at. `attributes` are for the lookup."""

    trace_id: bytes
    span_id: bytes
    kind: int
    start_time_unix_nano: int
    end_time_unix_nano: int

    @property
    def attributes(self) -> Iterable[object]: ...

    def SerializeToString(self) -> bytes: ...  # noqa: N802 - as protobuf calls it


class Group:
    """Spans of the same facts that ended in the same window.

    Those of a request (`is_request`) have their times kept, in whole microseconds, and their bytes summed up; `ids` has
    the ids of trace and span, both as `join_ids` writes them. A time may be out of bounds, which digests set. Of spans
    that are none `spans` has both ids and the encoded span.
    """

    __slots__ = (
        "bytes_in", "bytes_out", "count", "facts", "firsts_us", "ids", "is_request", "queues_us", "spans", "start",
        "totals_us",
    )  # fmt: skip

    def __init__(self, facts: Facts, start: float, is_request: bool) -> None:
        self.facts = facts
        self.start = start
        self.is_request = is_request
        self.count = 0
        self.ids: list[bytes] = []
        self.totals_us: list[int] = []
        self.firsts_us: list[int] = []
        self.queues_us: list[int] = []
        self.bytes_in = 0
        self.bytes_out = 0
        self.spans: list[tuple[bytes, bytes, bytes]] = []

    def keep(self, spans: Sequence[tuple[bytes, bytes, bytes]]) -> None:
        """Keep spans that are no requests: ids of trace and span, and the encoded span."""
        self.count += len(spans)
        self.spans += spans


class Sorter:
    """Sorts spans into groups: a request is a server span that names its deployment and a gateway that is not ours."""

    def __init__(self, table: FactTable) -> None:
        self._table = table
        self._groups: dict[tuple[int, ...], Group] = {}
        self.nameless = 0
        """How many spans had no valid ids; they are in no group."""

    def groups(self) -> list[Group]:
        return list(self._groups.values())

    def add(self, of_resource: Iterable[Raw], spans: Iterable[SpanMessage], number_of: Callable[[Raw], int]) -> None:
        """Sort spans of a resource; `number_of` gives the number of an attribute's fact.

        One loop for all encodings, with as little in it as can be.
        """
        table, groups = self._table, self._groups
        base = tuple(filter(None, map(number_of, of_resource)))
        for span in spans:
            table.first_us = table.queue_us = None
            table.bytes_in = table.bytes_out = 0
            ended_ns = span.end_time_unix_nano
            own = filter(None, map(number_of, span.attributes))  # type: ignore[arg-type]  # of the same encoding
            key = (ended_ns // WINDOW_NS, span.kind, *base, *own)
            group = groups.get(key) or self.group_of(key)
            trace_id, span_id = span.trace_id, span.span_id
            if (len(trace_id), len(span_id)) != _ID_BYTES:
                self.nameless += 1
                continue
            if not group.is_request:
                group.keep([(trace_id, span_id, span.SerializeToString())])
                continue
            group.count += 1
            group.ids.append(join_ids(trace_id, span_id))
            group.totals_us.append((ended_ns - span.start_time_unix_nano) // 1000)
            if table.first_us is not None:
                group.firsts_us.append(table.first_us)
            if table.queue_us is not None:
                group.queues_us.append(table.queue_us)
            group.bytes_in += table.bytes_in
            group.bytes_out += table.bytes_out

    def group_of(self, key: tuple[int, ...]) -> Group:
        """Return the group of a window, a kind of span and the numbers of facts."""
        group = self._groups.get(key)
        if group is None:
            window, kind, *numbers = key
            facts = self._table.resolve(numbers)
            is_request = kind == SERVER and bool(facts.deployment and facts.gateway)
            group = self._groups[key] = Group(facts, window * WINDOW_NS / 1e9, is_request)
        return group
