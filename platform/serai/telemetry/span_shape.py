"""A pattern for spans of one layout, by which C cuts out of each what the intake looks at, and makes nothing else.

A pattern takes the length of each part from the wire and matches exactly as many bytes: there is one way to match at
most, so nothing that a string holds can be taken for a field, and no span takes long to be found different.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby
from typing import cast

from .span_fields import write_varint
from .span_layout import Column, Layout, Part, skip

Fields = tuple[bytes, ...]
_NUMBERS = {Column.CLOCKS: range(9, 10), Column.SIZES: range(2, 7)}
"""Lengths of AnyValue: of a double, of a whole number of one to five bytes of seven bits."""


class Shape:
    """Spans of a layout, the lengths of whose parts lie in `sizes`.

    `columns` are what it cuts out: attributes of a column that follow upon each other are one field. The names are
    those of numbers.
    """

    def __init__(self, layout: Layout, sizes: Sequence[range]) -> None:
        self.kind = layout.kind
        self.sizes = sizes
        self.columns: list[tuple[Column, Sequence[str]]] = []
        pattern = b""
        for (column, _), pairs in groupby(zip(layout.parts, sizes, strict=True), key=_run_of):
            run = list(pairs)
            text = b"".join(_write_part(part, of_part) for part, of_part in run)
            # Of a clock only the double is cut out, see `_write_value`.
            pattern += text if column in {None, Column.CLOCKS} else b"(%b)" % text
            if column is not None:
                self.columns.append((column, [part.name for part, _ in run]))
        self.match = re.compile(pattern, re.DOTALL).fullmatch
        """Says whether an encoded span is of the shape."""

    def read(self, spans: Sequence[bytes]) -> tuple[Sequence[bytes], Sequence[Fields], Sequence[bytes]]:
        """Return the spans that are of the shape, the fields of each, as many as `columns`, and the other spans."""
        read = [match and match.groups() for match in map(self.match, spans)]
        if None not in read:
            return spans, cast("list[Fields]", read), ()
        own = [raw for raw, fields in zip(spans, read, strict=True) if fields is not None]
        others = [raw for raw, fields in zip(spans, read, strict=True) if fields is None]
        return own, [fields for fields in read if fields is not None], others


def _run_of(pair: tuple[Part, range]) -> tuple[Column | None, str]:
    part = pair[0]
    return part.column, part.name if part.column is Column.CLOCKS else ""


def _write_part(part: Part, sizes: range) -> bytes:
    if not part.is_sized:
        return part.begin
    if part.column in _NUMBERS:
        sizes = _NUMBERS[part.column]
    return part.begin + b"(?:%b)" % b"|".join(_write_sized(part, size) for size in sizes)


def _write_sized(part: Part, size: int) -> bytes:
    """Return the pattern of a length and as much content."""
    length = write_varint(size)
    value = re.escape(length) + _write_value(part.column, size)
    if not part.key:
        return value
    content_bytes = part.key_bytes + 1 + len(length) + size
    value = skip(content_bytes - 2) if part.column is Column.FACTS else rb"\x12" + value
    return re.escape(write_varint(content_bytes)) + part.key + value


def _write_value(column: Column | None, size: int) -> bytes:
    if column is Column.CLOCKS:
        return b"!(.{8}+)"
    if column is Column.SIZES:
        return rb"\x18[\x80-\xff]{%d}[\x00-\x7f]" % (size - 2)
    return skip(size)
