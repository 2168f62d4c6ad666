"""Protobuf message types of our own for OTLP's spans: they read the same bytes as the official ones, in other pieces.

A message that is declared once and comes again is merged with what came before, so its repeated fields become columns:
`SizeColumn` has C read all sizes of a column, without an object for each.
"""

from __future__ import annotations

from typing import Any, cast

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_Field = descriptor_pb2.FieldDescriptorProto
_BYTES, _UINT, _INT64 = _Field.TYPE_BYTES, _Field.TYPE_UINT32, _Field.TYPE_INT64
_FIXED64, _FIXED32 = _Field.TYPE_FIXED64, _Field.TYPE_FIXED32
_Fields = dict[str, tuple[int, int | str, bool]]  # name: number, type (a name: of a message), whether it is repeated
_MESSAGES: dict[str, _Fields] = {
    "Request": {"resource_spans": (1, _BYTES, True)},
    "ResourceSpans": {"resource": (1, "Resource", False), "scope_spans": (2, _BYTES, True)},
    "Resource": {"attributes": (1, _BYTES, True)},
    "ScopeSpans": {"spans": (2, _BYTES, True)},
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
    # Of Span, KeyValue and AnyValue: many spans with an attribute each.
    "SizeColumn": {"attributes": (9, "SizeAttribute", False)},
    "SizeAttribute": {"key": (1, _BYTES, False), "value": (2, "Sizes", False)},
    "Sizes": {"sizes": (3, _INT64, True)},
}
_PACKAGE = "serai.intake"


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
                continue
            added.type = cast("_Field.Type.ValueType", kind)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    found = (pool.FindMessageTypeByName(f"{_PACKAGE}.{name}") for name in _MESSAGES)
    return {descriptor.name: message_factory.GetMessageClass(descriptor) for descriptor in found}


_TYPES = _make_types()
Request, ResourceSpans, ScopeSpans = _TYPES["Request"], _TYPES["ResourceSpans"], _TYPES["ScopeSpans"]
Span, SizeColumn = _TYPES["Span"], _TYPES["SizeColumn"]
