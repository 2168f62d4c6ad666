"""Spans from OTLP's JSON encoding: ids in hexadecimal, names in camel case, large numbers as text, enums as numbers."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NoReturn, cast

from google.protobuf import json_format
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from .span_facts import RELEVANT
from .span_groups import MOST_SPANS, Malformed, SpanMessage, TooManySpans

Pair = tuple[str, object]  # an attribute's name and value; None for a value of another kind
_Object = Mapping[str, Any]
_MOST_64 = 2**64


def read_json(body: bytes) -> Iterator[tuple[list[Pair], Iterable[SpanMessage]]]:
    """Yield each resource's attributes with spans of it. Raise Malformed for what is no request, and TooManySpans."""
    count = 0
    for of_resource in _objects(_read(body), "resourceSpans"):
        attributes = _read_attributes(_member(of_resource, "resource", dict, {}))
        for scope in _objects(of_resource, "scopeSpans"):
            spans = _objects(scope, "spans")
            count += len(spans)
            if count > MOST_SPANS:
                raise TooManySpans
            yield attributes, [cast(SpanMessage, JsonSpan(span)) for span in spans]


class JsonSpan:
    """A span from JSON, with the fields of OTLP's message that are looked at."""

    __slots__ = (
        "_source", "attributes", "end_time_unix_nano", "kind", "span_id", "start_time_unix_nano", "trace_id",
    )  # fmt: skip

    def __init__(self, source: _Object) -> None:
        self._source = source
        self.trace_id = _read_id(source, "traceId")
        self.span_id = _read_id(source, "spanId")
        self.kind = _read_whole(source.get("kind"), "kind")
        self.start_time_unix_nano = _read_whole(source.get("startTimeUnixNano"), "startTimeUnixNano")
        self.end_time_unix_nano = _read_whole(source.get("endTimeUnixNano"), "endTimeUnixNano")
        self.attributes = _read_attributes(source)

    def SerializeToString(self) -> bytes:  # noqa: N802 - as protobuf calls it
        """Return the span in protobuf. Raise Malformed where it cannot be."""
        source = _with_ids(self._source) | {"links": [_with_ids(link) for link in _objects(self._source, "links")]}
        try:
            span = json_format.ParseDict(source, Span(), ignore_unknown_fields=True)
        except (json_format.ParseError, ValueError, TypeError, RecursionError) as error:
            raise Malformed(f"a span cannot be read: {str(error)[:200]}") from error
        return span.SerializeToString()


def _read(body: bytes) -> _Object:
    try:
        value = json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"the body is not JSON: {str(error)[:200]}") from error
    if not isinstance(value, dict):
        raise Malformed("the body has to be a JSON object with resourceSpans")
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _member(source: _Object, name: str, kind: type, default: Any) -> Any:
    """Return a member, `default` where it is absent or null."""
    value = source.get(name)
    if value is None:
        return default
    if not isinstance(value, kind):
        raise Malformed(f"{name} cannot be {str(value)[:100]!r}")
    return value


def _objects(source: _Object, name: str) -> list[_Object]:
    found: list[_Object] = _member(source, name, list, [])
    for each in found:
        if not isinstance(each, dict):
            raise Malformed(f"{name} has to hold objects, not {str(each)[:100]!r}")
    return found


def _read_id(source: _Object, name: str) -> bytes:
    text = _member(source, name, str, "")
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise Malformed(f"{name} has to be hexadecimal, not {text[:100]!r}") from error


def _with_ids(source: _Object) -> dict[str, Any]:
    """Return a copy with ids in base64, as JSON of protobuf has all other bytes."""
    ids = {name: _read_id(source, name) for name in ("traceId", "spanId", "parentSpanId") if source.get(name)}
    return dict(source) | {name: base64.b64encode(id).decode() for name, id in ids.items()}


def _read_whole(value: object, name: str) -> int:
    """Return a number that may be written as text; absent is 0."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= 20:
        value = int(value)
    if value is None:
        return 0
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < _MOST_64:
        raise Malformed(f"{name} has to be a number from 0, not {str(value)[:100]!r}")
    return value


def _read_attributes(source: _Object) -> list[Pair]:
    """Return the attributes that mean something."""
    pairs = []
    for attribute in _objects(source, "attributes"):
        name = attribute.get("key")
        if isinstance(name, str) and name in RELEVANT:
            pairs.append((name, _read_value(_member(attribute, "value", dict, {}))))
    return pairs


def _read_value(value: _Object) -> object:
    """Return a plain value, None for one that is none, a list or a map."""
    for kind, content in value.items():
        match kind, content:
            case "stringValue", str():
                return content
            case "boolValue", bool():
                return content
            case "intValue", int() | str():
                return _read_signed(content)
            case "doubleValue", int() | float() | str():
                return _read_double(content)
    return None


def _read_signed(content: int | str) -> int:
    try:
        return int(content)
    except ValueError as error:
        raise Malformed(f"intValue cannot be {str(content)[:100]!r}") from error


def _read_double(content: float | str) -> float:
    try:
        return float(content)
    except (ValueError, OverflowError) as error:
        raise Malformed(f"doubleValue cannot be {str(content)[:100]!r}") from error
