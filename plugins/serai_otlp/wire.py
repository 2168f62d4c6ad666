"""The pieces that all OTLP messages have: attributes, resources, the scope, instants.

They are the SDK's plain values; nothing here or beside it makes a provider, a processor or an exporter, which would
read the environment, start threads and register for the process's end.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

import serai
from serai.domain import attributes as names

SCOPE = InstrumentationScope("serai", serai.__version__)
Value = str | int | float | None
Attributes = Mapping[str, str | int | float]


class _Described(Resource):
    """A resource whose hash is made once: encoders ask for it with each record, and the SDK makes JSON for that."""

    def __init__(self, attributes: Attributes) -> None:
        super().__init__(attributes)
        self._hash = super().__hash__()

    def __hash__(self) -> int:
        return self._hash


def make_attributes(values: Mapping[str, Value]) -> Attributes:
    """Return attributes; what is not known (None or "") is left out."""
    return {name: _clean(value) for name, value in values.items() if value is not None and value != ""}


def make_resource(values: Mapping[str, Value], more: Mapping[str, str]) -> Resource:
    """Return a resource of these attributes and the operator's; `Resource.create` would add the environment's."""
    return _Described(make_attributes({**values, **more}))


def make_service(name: str, instance: str = "") -> dict[str, Value]:
    """Return the attributes of a process of Serai's own."""
    return {names.SERVICE_NAME: name, names.SERVICE_VERSION: serai.__version__, names.SERVICE_INSTANCE: instance}


def to_ns(at: datetime | float) -> int:
    """Return nanoseconds since the epoch. A float of this year's seconds is no finer than microseconds."""
    seconds = at.timestamp() if isinstance(at, datetime) else at
    return round(seconds * 1_000_000) * 1000


def clean_text(text: str) -> str:
    """Return the text without half characters, which protobuf does not take."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _clean(value: str | int | float) -> str | int | float:
    return clean_text(value) if isinstance(value, str) else value
