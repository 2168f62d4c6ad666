"""The pieces that all OTLP messages have: attributes, resources, the scope, instants."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

import serai
from serai.domain import attributes as names

SCOPE = InstrumentationScope(name="serai", version=serai.__version__)
Value = str | int | float | None


def make_attributes(values: Mapping[str, Value]) -> list[KeyValue]:
    """Return attributes; what is not known (None or "") is left out."""
    known = {name: value for name, value in values.items() if value is not None and value != ""}
    return [KeyValue(key=name, value=_wrap(value)) for name, value in known.items()]


def make_resource(values: Mapping[str, Value], more: Mapping[str, str]) -> Resource:
    """Return a resource of these attributes and the operator's."""
    return Resource(attributes=make_attributes({**values, **more}))


def make_service(name: str, instance: str = "") -> dict[str, Value]:
    """Return the attributes of a process of Serai's own."""
    return {names.SERVICE_NAME: name, names.SERVICE_VERSION: serai.__version__, names.SERVICE_INSTANCE: instance}


def to_ns(at: datetime | float) -> int:
    """Return nanoseconds since the epoch. A float of this year's seconds is no finer than microseconds."""
    seconds = at.timestamp() if isinstance(at, datetime) else at
    return round(seconds * 1_000_000) * 1000


def _wrap(value: str | int | float) -> AnyValue:
    if isinstance(value, str):
        return AnyValue(string_value=value.encode("utf-8", "replace").decode())  # protobuf takes no half characters
    if isinstance(value, int):
        return AnyValue(int_value=value)
    return AnyValue(double_value=value)
