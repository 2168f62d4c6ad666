"""Write `docs/reference/rest.md` and `docs/reference/errors.md` from the declared endpoints and the table of codes."""

from __future__ import annotations

from typing import Any

from serai.domain import errors

from .document import make_document
from .error_codes import ERROR_CODES
from .problems import STATUSES, STATUSES_BY_CODE
from .resources import RESOURCES

Json = dict[str, Any]
_GENERATED = "<!-- Generated from serai.web by `python docs/generate.py`. Do not edit. -->"
_REST_HEAD = f"""\
# REST API

{_GENERATED}

Paths below are the server's own (`http://127.0.0.1:8080` by default); the same as OpenAPI 3.1 is at `/openapi.json`.
Every call but `/healthz` and `/openapi.json` needs a token: `Authorization: Bearer <token>`. Times are RFC 3339 in
UTC. Errors are problem documents (RFC 9457) whose stable `code` is one of [these](errors.md).

**Blocking reads.** Answers with the header `X-Serai-Index` can be waited for: with `?index=<that>&wait=30s` the call
is answered as soon as there is something newer, and at the latest after `wait`. A server that already holds as many
callers as it may answers at once; ask again.

**Conditional reads.** Reads carry an `ETag`; `If-None-Match` answers 304 where nothing has changed.

**Streams.** With `follow=1` logs and events come as `text/event-stream`. After a broken connection, the last `id` in
the header `Last-Event-ID` goes on without a gap.

"""
_ERRORS_HEAD = f"""\
# Errors

{_GENERATED}

Every error has a stable `code`, a sentence about the case at hand, and where a value was wrong its `field`. Over HTTP
it is a problem document (RFC 9457): `{{"type", "title", "status", "detail", "code", "field"?, "line"?, "fault"?}}`.

## Statuses

| error | status | code, where it has none of its own |
|---|---|---|
"""


def make_rest_page() -> str:
    """Return the page of all endpoints as Markdown."""
    document = make_document(RESOURCES)
    sections = [_make_section(tag, document) for tag in document["tags"]]
    schemas = document["components"]["schemas"]
    shapes = [_make_shape(name, schemas[name]) for name in sorted(schemas) if "enum" not in schemas[name]]
    return _REST_HEAD + "\n".join([*sections, "## Shapes\n", *shapes])


def make_errors_page() -> str:
    """Return the page of all errors and codes as Markdown."""
    statuses = "".join(f"| {kind.__name__} | {status} | `{kind.default_code}` |\n" for kind, status in _by_status())
    apart = ", ".join(f"`{code}` {status}" for code, status in sorted(STATUSES_BY_CODE.items()))
    codes = "".join(f"| `{code}` | {text} |\n" for code, text in sorted(ERROR_CODES.items()))
    head = "## Codes\n\n| code | said when |\n|---|---|\n"
    return f"{_ERRORS_HEAD}{statuses}\nWith a status of their own: {apart}.\n\n{head}{codes}"


def _by_status() -> list[tuple[type[errors.SeraiError], int]]:
    return sorted(STATUSES.items(), key=lambda item: (item[1], item[0].__name__))


def _make_section(tag: Json, document: Json) -> str:
    operations = [
        _make_operation(method, path, operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if tag["name"] in operation["tags"]
    ]
    return "\n".join([f"## {tag['name'].capitalize()}\n\n{tag['description']}\n", *operations])


def _make_operation(method: str, path: str, operation: Json) -> str:
    parts = [f"### `{method.upper()} {path}`\n", operation["summary"], "", operation["description"], ""]
    if operation["parameters"]:
        parts += ["| parameter | in | |", "|---|---|---|", *map(_make_parameter, operation["parameters"]), ""]
    if "requestBody" in operation:
        parts += [f"Takes: {_name_bodies(operation['requestBody'])}.\n"]
    answers = [_make_answer(status, answer) for status, answer in operation["responses"].items() if status < "400"]
    problems = [status for status in operation["responses"] if status >= "400"]
    return "\n".join([*parts, f"Answers: {'; '.join(answers)}. Problems: {', '.join(problems)}.\n"])


def _make_parameter(parameter: Json) -> str:
    name = f"`{parameter['name']}`" + ("" if parameter["required"] else " (optional)")
    schema = parameter["schema"]
    choices = schema.get("enum", ())
    more = f" One of {', '.join(f'`{choice}`' for choice in choices)}." if choices else ""
    more += f" {schema['default']} if absent." if schema.get("default") is not None else ""
    return f"| {name} | {parameter['in']} | {parameter['description']}{more} |"


def _make_answer(status: str, answer: Json) -> str:
    return f"{status} {_name_bodies(answer)}" if "content" in answer else f"{status} {answer['description']}"


def _name_bodies(holder: Json) -> str:
    return " or ".join(_name_body(mime, media["schema"]) for mime, media in holder["content"].items())


def _name_body(mime: str, schema: Json) -> str:
    return f"`{_name(schema)}`" if "$ref" in schema else f"`{mime}`"


def _make_shape(name: str, schema: Json) -> str:
    about = schema.get("description", "")
    if "properties" not in schema:
        return f"### {name}\n\n{about} {_describe_type(schema)}.\n"
    rows = [
        f"| `{key}` | {_describe_type(value)} | {value.get('description', '')} |"
        for key, value in schema["properties"].items()
    ]
    return "\n".join([f"### {name}\n", about, "", "| key | type | |", "|---|---|---|", *rows, ""])


def _describe_type(schema: Json) -> str:
    """Return a schema's type in few words, fit for a cell of a table."""
    if "$ref" in schema:
        return _name(schema)
    if options := schema.get("anyOf"):
        return " or ".join(dict.fromkeys(_describe_type(option) for option in options))
    if "enum" in schema:
        return ", ".join(f"`{choice}`" for choice in schema["enum"])
    if "const" in schema:
        return f"`{str(schema['const']).lower()}`"
    if schema.get("type") == "array" and "items" in schema:
        return f"list of {_describe_type(schema['items'])}"
    kind = schema.get("type", "any")
    return str(schema.get("format", kind)) if kind == "string" else str(kind)


def _name(schema: Json) -> str:
    return str(schema["$ref"]).rsplit("/", 1)[1]
