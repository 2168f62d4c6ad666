"""Path, query and body of a request -> the values a handler wants; what does not fit raises Invalid by name."""

from __future__ import annotations

import difflib
import json
import zlib
from collections.abc import Iterable, Mapping
from typing import NoReturn, TypeVar

from flask import Request
from pydantic import BaseModel, ValidationError
from werkzeug.exceptions import RequestEntityTooLarge

from serai.domain.errors import Invalid

from .shapes.kinds import built

Model = TypeVar("Model", bound=BaseModel)
# A compressed body may become so many times larger than what an uncompressed one may be.
_INFLATION = 4


def read_model(shape: type[Model], values: object) -> Model:
    """Return `values` as a shape. Raise Invalid about the first thing that is wrong."""
    try:
        return built(shape).model_validate(values)
    except ValidationError as error:
        raise _make_invalid(shape, error) from error


def read_query(shape: type[Model], asked: Request) -> Model:
    """Return the query's parameters as a shape. Raise Invalid, also for one that is given twice."""
    for name, values in asked.args.lists():
        if len(values) > 1:
            raise Invalid(f"{name} is given {len(values)} times; give it once", name)
    return read_model(shape, asked.args.to_dict())


def read_body(shape: type[Model], asked: Request, limit_bytes: int) -> Model:
    """Return the JSON body as a shape. Raise Invalid about the first thing that is wrong."""
    try:
        return built(shape).model_validate_json(_read_bytes(asked, limit_bytes), strict=True)
    except ValidationError as error:
        raise _make_invalid(shape, error) from error


def read_mapping(asked: Request, limit_bytes: int) -> Mapping[str, object]:
    """Return the body if it is a JSON object; the domain reads what is in it."""
    try:
        value = json.loads(_read_bytes(asked, limit_bytes), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise Invalid(f"the body is not JSON: {error}", code="malformed") from error
    if not isinstance(value, dict):
        raise Invalid(f"the body has to be a JSON object, not {value!r:.200}")
    return value


def _read_bytes(asked: Request, limit_bytes: int) -> bytes:
    """Return the body, which has to be JSON and may come gzipped."""
    if not asked.is_json:
        raise Invalid("the body has to be JSON: send Content-Type: application/json", code="not-json")
    asked.max_content_length = limit_bytes
    body = asked.get_data(cache=False)
    if asked.headers.get("Content-Encoding", "").lower() == "gzip":
        return _gunzip(body, limit_bytes * _INFLATION)
    return body


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _gunzip(body: bytes, limit_bytes: int) -> bytes:
    inflater = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        inflated = inflater.decompress(body, limit_bytes)
    except zlib.error as error:
        raise Invalid("the body is not gzip, although Content-Encoding says so", code="malformed") from error
    if inflater.unconsumed_tail:
        raise RequestEntityTooLarge
    if not inflater.eof:
        raise Invalid("the gzipped body is cut off", code="malformed")
    return inflated


def _make_invalid(shape: type[BaseModel], error: ValidationError) -> Invalid:
    """Return what is said about the first unknown key, which explains a missing one, or else the first mistake."""
    details = error.errors(include_url=False)
    detail = next((each for each in details if each["type"] == "extra_forbidden"), details[0])
    place = [str(part) for part in detail["loc"]]
    field = ".".join(place)
    if detail["type"] == "json_invalid":
        return Invalid(f"the body is not JSON: {detail['msg']}", code="malformed")
    if detail["type"] == "extra_forbidden":
        return Invalid(f"unknown key {field!r}; {_hint(place[-1], _known(shape))}", field, code="unknown-key")
    value = "" if detail["type"] == "missing" else f" {detail['input']!r:.200}"
    return Invalid(f"{field or 'the body'}:{value} is refused: {detail['msg']}", field)


def _known(shape: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in shape.model_fields.items()]


def _hint(key: str, known: Iterable[str]) -> str:
    names = list(known)
    near = difflib.get_close_matches(key, names, n=1, cutoff=0.5)
    return f"did you mean {near[0]!r}?" if near else f"known are {', '.join(names) or 'none'}"


def is_set(flag: str | None) -> bool:
    """Return whether a flag of a query is on."""
    return flag in {"1", "true"}
