"""The OpenAPI 3.1 document, made of the declared endpoints and the pydantic shapes.

flask-openapi3 was tried and left: it drops JSON Schema keywords it does not know (propertyNames, $defs, format of
unions), knows no HEAD, and decodes JSON a second time where a body is a string.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal, cast, get_type_hints

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from werkzeug.http import HTTP_STATUS_CODES

import serai

from . import problems, sse
from .api.bundles import OFFSET_HEADER
from .endpoint import Endpoint, Media, Resource
from .otlp import Encoding
from .shapes.answers import ProblemAnswer
from .shapes.kinds import BUILDING
from .waits import INDEX_HEADER

Json = dict[str, Any]
Mode = Literal["validation", "serialization"]
Refs = Mapping[tuple[type[BaseModel], Mode], Json]
# A scraper says in Accept which it prefers.
TEXT_TYPES = ("text/plain", "application/openmetrics-text")
# What is looked at of an ExportTraceServiceRequest; the rest is OTLP's to say.
_OTLP_REQUEST: Json = {
    "type": "object",
    "properties": {"resourceSpans": {"type": ["array", "null"], "items": {"type": "object"}}},
}
_OTLP_ANSWER: Json = {
    "type": "object",
    "properties": {
        "partialSuccess": {
            "type": "object",
            "properties": {"rejectedSpans": {"type": "string"}, "errorMessage": {"type": "string"}},
            "required": ["rejectedSpans", "errorMessage"],
        }
    },
}
_OTLP_STATUS: Json = {
    "type": "object",
    "properties": {"code": {"type": "integer"}, "message": {"type": "string"}},
    "required": ["code", "message"],
}
_TEMPLATE = "#/components/schemas/{model}"
_DESCRIPTION = """\
Everything the command line and the web pages can do. Every call but `/healthz`, signing in and this document needs a
token (`Authorization: Bearer`). Errors are problem documents (RFC 9457) with a stable `code`."""


def make_document(resources: Iterable[Resource]) -> Json:
    """Return the document of all endpoints."""
    with BUILDING:
        return _make_document(list(resources))


def _make_document(resources: list[Resource]) -> Json:
    endpoints = [endpoint for resource in resources for endpoint in resource.endpoints]
    found, definitions = models_json_schema(sorted(_models(endpoints), key=str), ref_template=_TEMPLATE)
    refs = cast(Refs, found)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Serai", "version": serai.__version__, "description": _DESCRIPTION},
        "tags": [{"name": resource.tag, "description": resource.about} for resource in resources],
        "paths": _make_paths(endpoints, refs),
        "components": {
            "schemas": definitions.get("$defs", {}),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def parameters_of(endpoint: Endpoint, place: Literal["path", "query"]) -> type[BaseModel] | None:
    """Return the shape of what stands in an endpoint's path or query."""
    shape = get_type_hints(endpoint.handler).get(place)
    return shape if isinstance(shape, type) and issubclass(shape, BaseModel) else None


def _models(endpoints: Iterable[Endpoint]) -> set[tuple[type[BaseModel], Mode]]:
    models: set[tuple[type[BaseModel], Mode]] = {(ProblemAnswer, "serialization")}
    for endpoint in endpoints:
        models |= {(shape, "serialization") for shape in endpoint.answers.values() if shape}
        if endpoint.takes:
            models.add((endpoint.takes, "validation"))
    return models


def _make_paths(endpoints: Iterable[Endpoint], refs: Refs) -> Json:
    paths: dict[str, Json] = {}
    for endpoint in endpoints:
        path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", endpoint.rule)
        paths.setdefault(path, {})[endpoint.method.lower()] = _make_operation(endpoint, refs)
    return dict(paths)


def _make_operation(endpoint: Endpoint, refs: Refs) -> Json:
    summary, _, description = (inspect.getdoc(endpoint.handler) or "").partition("\n")
    needs = f"Needs the permission `{endpoint.needs}`." if endpoint.needs else "Needs no token."
    operation: Json = {
        "operationId": endpoint.name,
        "tags": [endpoint.tag],
        "summary": summary,
        "description": f"{description.strip()}\n\n{needs}".strip(),
        "parameters": [*_parameters(endpoint, "path"), *_parameters(endpoint, "query"), *_headers_taken(endpoint)],
        "responses": _make_responses(endpoint, refs),
        "security": [{"token": []}] if endpoint.needs else [],
    }
    if body := _make_body(endpoint, refs):
        operation["requestBody"] = body
    return operation


def _parameters(endpoint: Endpoint, place: Literal["path", "query"]) -> list[Json]:
    shape = parameters_of(endpoint, place)
    if shape is None:
        return []
    schema = _inline(shape.model_json_schema())
    required = schema.get("required", [])
    return [_parameter(name, place, value, name in required) for name, value in schema["properties"].items()]


def _parameter(name: str, place: str, value: dict[str, Any], required: bool) -> Json:
    """Return a parameter; null, which a query cannot say, is taken out of its schema."""
    options = [option for option in value.get("anyOf", ()) if option != {"type": "null"}]
    if options:
        value = {key: item for key, item in value.items() if key not in {"anyOf", "default"}}
        value |= options[0] if len(options) == 1 else {"anyOf": options}
    description = value.pop("description", "")
    return {"name": name, "in": place, "required": required, "description": description, "schema": value}


def _inline(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a shape's schema with what it refers to put in place."""
    definitions = schema.pop("$defs", {})

    def put_in_place(value: Any) -> Any:
        if isinstance(value, list):
            return [put_in_place(item) for item in value]
        if not isinstance(value, dict):
            return value
        if "$ref" in value:
            rest = {key: item for key, item in value.items() if key != "$ref"}
            return put_in_place(definitions[value["$ref"].rsplit("/", 1)[1]] | rest)
        return {key: put_in_place(item) for key, item in value.items()}

    inlined = put_in_place(schema)
    assert isinstance(inlined, dict)  # noqa: S101 - it was one before
    return inlined


def _headers_taken(endpoint: Endpoint) -> list[Json]:
    if endpoint.media is Media.EVENTS:
        return [_header_taken("Last-Event-ID", "With `follow=1`: the id of the last event seen.")]
    if endpoint.gives_bytes:
        return [_header_taken("Range", "Which part is wanted: `bytes=<first>-<last>`.")]
    if endpoint.sends_bytes:
        return [_header_taken("Content-Range", "Which part the body is: `bytes <first>-<last>/<size>`.")]
    return []


def _header_taken(name: str, description: str) -> Json:
    return {"name": name, "in": "header", "required": False, "description": description, "schema": {"type": "string"}}


def _make_body(endpoint: Endpoint, refs: Refs) -> Json | None:
    if endpoint.takes:
        schema = refs[endpoint.takes, "validation"]
        return {"required": True, "content": {"application/json": {"schema": schema}}}
    if endpoint.sends_bytes:
        content = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
        return {"required": True, "content": content}
    if endpoint.media is Media.OTLP:
        return {"required": True, "content": _in_otlp(_OTLP_REQUEST)}
    return None


def _make_responses(endpoint: Endpoint, refs: Refs) -> Json:
    good = {str(status): _make_answer(endpoint, status, shape, refs) for status, shape in endpoint.answers.items()}
    if endpoint.method == "GET":
        good["304"] = {"description": "Not Modified: the caller has this already (If-None-Match)"}
    refusals = sorted(refusals_of(endpoint))
    if endpoint.media is Media.OTLP:
        return dict(good) | {str(status): _make_status(status) for status in refusals}
    problem = refs[ProblemAnswer, "serialization"]
    return dict(good) | {str(status): _make_problem(status, problem) for status in refusals}


def refusals_of(endpoint: Endpoint) -> set[int]:
    """Return every status of a problem that the endpoint can answer."""
    refusals = {*endpoint.refuses, 422, 500}
    if endpoint.needs:
        refusals |= {401, 403, 503}
    if endpoint.takes:
        refusals |= {400, 413, 415}
    if endpoint.method not in {"GET", "HEAD"}:
        refusals |= {507}
    if re.search("<", endpoint.rule):
        refusals |= {404}
    return refusals


def _make_answer(endpoint: Endpoint, status: int, shape: type[BaseModel] | None, refs: Refs) -> Json:
    answer: Json = {"description": HTTP_STATUS_CODES[status]}
    if shape is not None:
        content: dict[str, Json] = {"application/json": {"schema": refs[shape, "serialization"]}}
        if endpoint.media is Media.EVENTS:
            content[sse.MIME_TYPE] = {"schema": {"type": "string"}}
        answer["content"] = content
    elif endpoint.gives_bytes:
        answer["content"] = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
    elif endpoint.media is Media.TEXT:
        answer["content"] = {kind: {"schema": {"type": "string"}} for kind in TEXT_TYPES}
    elif endpoint.media is Media.OTLP:
        answer["content"] = _in_otlp(_OTLP_ANSWER)
    if headers := _headers_given(endpoint):
        answer["headers"] = headers
    return answer


def _headers_given(endpoint: Endpoint) -> Json:
    if endpoint.waits:
        return {INDEX_HEADER: _header_given("Give it as `index` to wait for the next change.", endpoint)}
    if endpoint.media is Media.BYTES and not endpoint.gives_bytes:
        return {OFFSET_HEADER: _header_given("How many bytes of the bundle are here.", endpoint)}
    return {}


def _header_given(description: str, endpoint: Endpoint) -> Json:
    is_always_there = endpoint.media is not Media.EVENTS  # a stream has no index
    return {"description": description, "required": is_always_there, "schema": {"type": "integer"}}


def _in_otlp(schema: Json) -> Json:
    """Return a body of OTLP: what `schema` says in JSON, and the same in protobuf."""
    binary = {"schema": {"type": "string", "format": "binary"}}
    return {Encoding.JSON.value: {"schema": schema}, Encoding.PROTOBUF.value: binary}


def _make_status(status: int) -> Json:
    return {"description": HTTP_STATUS_CODES[status], "content": _in_otlp(_OTLP_STATUS)}


def _make_problem(status: int, schema: Json) -> Json:
    return {"description": HTTP_STATUS_CODES[status], "content": {problems.MIME_TYPE: {"schema": schema}}}
