"""Spans of models and requests of gateways, by trace, while there is room: in memory, bounded by age and size."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from time import monotonic

from serai.domain.finished import FinishedRequest

from .span_facts import Facts

_OVERHEAD_BYTES = 400  # about what a kept span costs beside its own bytes


@dataclass(frozen=True, slots=True)
class KeptSpan:
    """A span in OTLP's protobuf encoding, and whose it is."""

    facts: Facts
    encoded: bytes


Kept = KeptSpan | FinishedRequest


class _Trace:
    __slots__ = ("began_at", "bytes", "spans")

    def __init__(self, began_at: float) -> None:
        self.began_at = began_at
        self.bytes = 0
        self.spans: dict[bytes, Kept] = {}


class TraceStore:
    """Keeps spans; safe to use from any thread. The trace that began first gives way first."""

    def __init__(
        self,
        most_bytes: int = 32 * 2**20,
        most_spans: int = 1000,
        kept_s: float = 3600.0,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._most_bytes = most_bytes
        self._most_spans = most_spans
        self._kept_s = kept_s
        self._clock = clock
        self._lock = threading.Lock()
        self._bytes = 0
        self._traces: OrderedDict[bytes, _Trace] = OrderedDict()

    def add(self, facts: Facts, spans: Iterable[tuple[bytes, bytes, bytes]]) -> None:
        """Keep encoded spans with their trace's id and their own; one that comes again replaces itself.

        What a trace has beyond its share is not kept.
        """
        with self._lock:
            for trace_id, span_id, encoded in spans:
                self._add(trace_id, span_id, KeptSpan(facts, encoded))
            self._make_room()

    def add_requests(self, requests: Iterable[FinishedRequest]) -> None:
        """Keep requests of sampled traces as their gateway told them."""
        with self._lock:
            for request in requests:
                self._add(bytes.fromhex(request.trace_id), bytes.fromhex(request.span_id), request)
            self._make_room()

    def find(self, trace_id: bytes) -> list[Kept]:
        """Return the spans of a trace, in the order in which they came."""
        with self._lock:
            self._make_room()
            trace = self._traces.get(trace_id)
            return list(trace.spans.values()) if trace else []

    def _add(self, trace_id: bytes, span_id: bytes, span: Kept) -> None:
        trace = self._traces.get(trace_id)
        if trace is None:
            trace = self._traces[trace_id] = _Trace(self._clock())
        before = trace.spans.get(span_id)
        if before is None and len(trace.spans) >= self._most_spans:
            return
        grown = _size_of(span) - (_size_of(before) if before else 0)
        trace.spans[span_id] = span
        trace.bytes += grown
        self._bytes += grown

    def _make_room(self) -> None:
        oldest_at = self._clock() - self._kept_s
        while self._traces:
            trace = next(iter(self._traces.values()))
            if self._bytes <= self._most_bytes and trace.began_at >= oldest_at:
                return
            self._traces.popitem(last=False)
            self._bytes -= trace.bytes


def _size_of(span: Kept) -> int:
    return _OVERHEAD_BYTES + (len(span.encoded) if isinstance(span, KeptSpan) else 2 * len(span.path) + 400)
