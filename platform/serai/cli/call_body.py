"""The body and headers of `serai call`, out of its options."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from serai.domain.errors import Invalid


@dataclass(slots=True)
class Body:
    """What is sent. `content`, or a form: `fields` and `files` (name -> file name, bytes)."""

    headers: dict[str, str] = field(default_factory=dict)
    content: bytes | None = None
    fields: dict[str, str] = field(default_factory=dict)
    files: list[tuple[str, tuple[str, bytes]]] = field(default_factory=list)

    @property
    def is_given(self) -> bool:
        return self.content is not None or bool(self.fields or self.files)


def read_body(data: str | None, forms: Sequence[str], headers: Sequence[str]) -> Body:
    """Return what -d, -F and -H say; Invalid for what cannot be read."""
    if data is not None and forms:
        raise Invalid("give -d or -F, not both", "data")
    body = Body(dict(_read_header(header) for header in headers))
    if data is not None:
        body.content = _load(data[1:]) if data.startswith("@") else data.encode()
        if not any(name.lower() == "content-type" for name in body.headers):
            body.headers["Content-Type"] = _guess_type(body.content)
    for form in forms:
        name, found, value = form.partition("=")
        if not found:
            raise Invalid(f"-F {form!r} has to be name=value or name=@file", "form")
        if value.startswith("@"):
            body.files.append((name, (Path(value[1:]).name, _load(value[1:]))))
        else:
            body.fields[name] = value
    return body


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
