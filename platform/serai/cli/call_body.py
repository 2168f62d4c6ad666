"""The request of `serai call`, out of its options."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from serai.client.calling import ModelRequest
from serai.domain.errors import Invalid


def read_request(method: str | None, data: str | None, forms: Sequence[str], headers: Sequence[str]) -> ModelRequest:
    """Return the request that -X, -d, -F and -H say, without its address; Invalid for what cannot be read."""
    if data is not None and forms:
        raise Invalid("give -d or -F, not both", "data")
    named = dict(_read_header(header) for header in headers)
    method = method or ("GET" if data is None and not forms else "POST")
    if data is not None:
        content = _load(data[1:]) if data.startswith("@") else data.encode()
        if not any(name.lower() == "content-type" for name in named):
            named["Content-Type"] = _guess_type(content)
        return ModelRequest("", method, named, content)
    parts = [_read_form(form) for form in forms]
    fields = {name: value for name, value in parts if not value.startswith("@")}
    files = [(name, (Path(value[1:]).name, _load(value[1:]))) for name, value in parts if value.startswith("@")]
    return ModelRequest("", method, named, fields=fields, files=files)


def _read_form(text: str) -> tuple[str, str]:
    name, found, value = text.partition("=")
    if not found:
        raise Invalid(f"-F {text!r} has to be name=value or name=@file", "form")
    return name, value


def _read_header(text: str) -> tuple[str, str]:
    name, found, value = text.partition(":")
    if not found or not name.strip():
        raise Invalid(f"-H {text!r} has to be 'Name: value'", "header")
    return name.strip(), value.strip()


def _load(name: str) -> bytes:
    if name == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise Invalid(f"{name} cannot be read ({error.strerror})", "data") from error


def _guess_type(content: bytes) -> str:
    """Return JSON for what is JSON, text for other text, bytes for the rest."""
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return "application/octet-stream"
    try:
        json.loads(text)
    except ValueError:
        return "text/plain; charset=utf-8"
    return "application/json"
