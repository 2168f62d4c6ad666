"""Spans from OTLP's protobuf encoding, read by message types that leave attributes as they are on the wire.

The official types make an object of each attribute, which costs more than all else. Most attributes of a batch are the
same bytes again and again, so their meaning is looked up; only what was not seen before is read by the official type.
Whatever these types write is, byte by byte in meaning, what the official ones would: fields have the same numbers.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from .span_facts import RELEVANT, FactTable
from .span_groups import MOST_SPANS, Malformed, SpanMessage, TooManySpans

_Field = descriptor_pb2.FieldDescriptorProto
_BYTES, _UINT, _FIXED64, _FIXED32 = _Field.TYPE_BYTES, _Field.TYPE_UINT32, _Field.TYPE_FIXED64, _Field.TYPE_FIXED32
# name: number, type (a name: of a message), whether it is repeated
_MESSAGES: dict[str, dict[str, tuple[int, int | str, bool]]] = {
    "Request": {"resource_spans": (1, _BYTES, True)},
    "ResourceSpans": {"resource": (1, "Resource", False), "scope_spans": (2, _BYTES, True)},
    "Resource": {"attributes": (1, _BYTES, True)},
    "Places": {"spans": (2, _BYTES, True)},
    "Numbers": {"numbers": (1, _Field.TYPE_INT64, True)},
    "ScopeSpans": {"spans": (2, "Span", True)},
    "Span": {
        "trace_id": (1, _BYTES, False),
        "span_id": (2, _BYTES, False),
        "trace_state": (3, _BYTES, False),
        "parent_span_id": (4, _BYTES, False),
        "name": (5, _BYTES, False),
        "kind": (6, _UINT, False),
        "start_time_unix_nano": (7, _FIXED64, False),
        "end_time_unix_nano": (8, _FIXED64, False),
        "attributes": (9, _BYTES, True),
        "events": (11, _BYTES, True),
        "links": (13, _BYTES, True),
        "status": (15, _BYTES, False),
        "flags": (16, _FIXED32, False),
    },
}
_PACKAGE = "serai.intake"
_KEY, _VALUE = 0x0A, 0x12  # tags of KeyValue
_INT, _DOUBLE = 0x18, 0x21  # of AnyValue
_unpack_double = struct.Struct("<d").unpack_from


@dataclass(frozen=True, slots=True)
class WireScope:
    """Spans of one scope: attributes of their resource, the scope as it is on the wire, and its spans."""

    of_resource: Sequence[bytes]
    raw: bytes
    spans: Sequence[SpanMessage]


def read_wire(body: bytes) -> Iterator[WireScope]:
    """Yield the scopes that have spans. Raise Malformed for what is no request, and TooManySpans.

    Level by level, so that a small body that claims millions of empty spans is refused before they are made.
    """
    count = 0
    try:
        for raw in _REQUEST.FromString(body).resource_spans:
            of_resource = _RESOURCE_SPANS.FromString(raw)
            attributes = list(of_resource.resource.attributes)
            for scope in of_resource.scope_spans:
                count += len(_PLACES.FromString(scope).spans)
                if count > MOST_SPANS:
                    raise TooManySpans
                if spans := _SCOPE_SPANS.FromString(scope).spans[:]:
                    yield WireScope(attributes, scope, spans)
    except DecodeError as error:
        raise Malformed("the body is no ExportTraceServiceRequest in protobuf") from error


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
        if raw[at] == _DOUBLE and len(raw) == at + 9:
            return self._table.note(name, _unpack_double(raw, at + 1)[0])
        number = _read_varint(raw[at + 1 :]) if raw[at] == _INT else None
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


def unpack_varints(raw: bytes) -> Sequence[int]:
    """Return the numbers of varints one after the other, as a packed field has them; () where they are none."""
    length, rest = [], len(raw)
    while rest > 0x7F:
        length.append(rest & 0x7F | 0x80)
        rest >>= 7
    try:
        return list(_NUMBERS.FromString(bytes([0x0A, *length, rest]) + raw).numbers)
    except DecodeError:
        return ()


def _read_varint(raw: bytes) -> int | None:
    """Return a number of at most eight bytes of seven bits, which is not negative; None for anything else."""
    if not 0 < len(raw) <= 8 or raw[-1] > 0x7F:
        return None
    number = 0
    for byte in reversed(raw):
        number = number << 7 | byte & 0x7F
    return number if min(raw[:-1], default=0x80) > 0x7F else None


def _make_types() -> dict[str, Any]:
    """Return the message types by name, in a pool of their own."""
    file = descriptor_pb2.FileDescriptorProto(name=f"{_PACKAGE}.proto", package=_PACKAGE, syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, (number, kind, is_repeated) in fields.items():
            label = _Field.LABEL_REPEATED if is_repeated else _Field.LABEL_OPTIONAL
            added = message.field.add(name=field, number=number, label=label)
            if isinstance(kind, str):
                added.type, added.type_name = _Field.TYPE_MESSAGE, f".{_PACKAGE}.{kind}"
            else:
                added.type = cast("_Field.Type.ValueType", kind)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    found = (pool.FindMessageTypeByName(f"{_PACKAGE}.{name}") for name in _MESSAGES)
    return {descriptor.name: message_factory.GetMessageClass(descriptor) for descriptor in found}


_RELEVANT = {name.encode(): name for name in RELEVANT}
_TYPES = _make_types()
_REQUEST, _RESOURCE_SPANS, _PLACES = _TYPES["Request"], _TYPES["ResourceSpans"], _TYPES["Places"]
_SCOPE_SPANS, _NUMBERS = _TYPES["ScopeSpans"], _TYPES["Numbers"]
