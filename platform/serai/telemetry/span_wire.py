"""Spans from OTLP's protobuf encoding, read by message types that leave attributes as they are on the wire.

The official types make an object of each attribute, which costs more than all else. Most attributes of a batch are the
same bytes again and again, so their meaning is looked up; only what was not seen before is read by the official type.
Whatever these types write is, byte by byte in meaning, what the official ones would: fields have the same numbers.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from google.protobuf.message import DecodeError
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from .span_facts import RELEVANT, FactTable
from .span_groups import MOST_SPANS, Malformed, SpanMessage, TooManySpans
from .span_messages import Request, ResourceSpans, ScopeSpans, Span

_NO_REQUEST = "the body is no ExportTraceServiceRequest in protobuf"
_KEY, _VALUE = 0x0A, 0x12  # tags of KeyValue
INT, DOUBLE = 0x18, 0x21  # of AnyValue
_unpack_double = struct.Struct("<d").unpack_from


@dataclass(frozen=True, slots=True)
class WireScope:
    """Spans of one scope, as they are on the wire, and attributes of their resource."""

    of_resource: Sequence[bytes]
    spans: Sequence[bytes]


def read_wire(body: bytes) -> Iterator[WireScope]:
    """Yield the scopes that have spans. Raise Malformed for what is no request, and TooManySpans.

    Level by level, so that a small body that claims millions of empty spans is refused before they are made.
    """
    count = 0
    try:
        for raw in Request.FromString(body).resource_spans:
            of_resource = ResourceSpans.FromString(raw)
            attributes = list(of_resource.resource.attributes)
            for scope in of_resource.scope_spans:
                spans = ScopeSpans.FromString(scope).spans
                count += len(spans)
                if count > MOST_SPANS:
                    raise TooManySpans
                if spans:
                    yield WireScope(attributes, spans[:])
    except DecodeError as error:
        raise Malformed(_NO_REQUEST) from error


def read_spans(spans: Iterable[bytes]) -> list[SpanMessage]:
    """Return spans, each as a message. Raise Malformed where one is none."""
    try:
        return list(map(Span.FromString, spans))
    except DecodeError as error:
        raise Malformed(_NO_REQUEST) from error


class WireLookup(dict[bytes, int]):
    """The number of an attribute as it is on the wire, for one batch; see `FactTable.note`."""

    def __init__(self, table: FactTable) -> None:
        super().__init__()
        self._table = table

    def __missing__(self, raw: bytes) -> int:
        size = len(raw)
        if size > 4 and raw[0] == _KEY and raw[1] < 0x80:
            at = 2 + raw[1]  # where the value begins, which has to be all of the rest
            if at + 2 < size <= at + 0x81 and raw[at] == _VALUE and raw[at + 1] == size - at - 2:
                name = _RELEVANT.get(raw[2:at])
                if name is None:
                    self[raw] = 0
                    return 0
                number = self._note_number(name, raw, at + 2)
                if number:
                    self[raw] = number
                if number is not None:
                    return number
        return self._note_any(raw)

    def _note_number(self, name: str, raw: bytes, at: int) -> int | None:
        """Note a value that may differ by span without the official type; None where it is none of those."""
        if raw[at] == DOUBLE and len(raw) == at + 9:
            return self._table.note(name, _unpack_double(raw, at + 1)[0])
        number = _read_varint(raw[at + 1 :]) if raw[at] == INT else None
        return None if number is None else self._table.note(name, number)

    def _note_any(self, raw: bytes) -> int:
        try:
            pair = KeyValue.FromString(raw)
        except DecodeError as error:
            raise Malformed("an attribute of a span is no KeyValue in protobuf") from error
        number = self._table.note(pair.key, value_of(pair.value))
        if number or pair.key not in RELEVANT:
            self[raw] = number
        return number


def value_of(value: AnyValue) -> object:
    """Return a plain value, None for one that is none, a list or a map."""
    kind = value.WhichOneof("value")
    return getattr(value, kind) if kind in {"string_value", "bool_value", "int_value", "double_value"} else None


def _read_varint(raw: bytes) -> int | None:
    """Return a number of at most eight bytes of seven bits, which is not negative; None for anything else."""
    if not 0 < len(raw) <= 8 or raw[-1] > 0x7F:
        return None
    number = 0
    for byte in reversed(raw):
        number = number << 7 | byte & 0x7F
    return number if min(raw[:-1], default=0x80) > 0x7F else None


_RELEVANT = {name.encode(): name for name in RELEVANT}
