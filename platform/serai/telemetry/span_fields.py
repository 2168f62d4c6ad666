"""A message in protobuf -> its fields, one by one in Python: for the few from which the form of others is learned."""

from __future__ import annotations

from dataclasses import dataclass

NUMBER, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
"""Protobuf's wire types."""
_FIXED = {FIXED64: 8, FIXED32: 4}
_LAST = 2**29 - 1  # number of a field


@dataclass(frozen=True, slots=True)
class Field:
    """A field as it is on the wire: its number and type, both as its `tag`, and its `content` without a length."""

    number: int
    wire: int
    tag: bytes
    content: bytes


def split_fields(raw: bytes) -> list[Field] | None:
    """Return the fields of a message; None where it is none, or written in a way that no library writes."""
    fields, at = [], 0
    try:
        while at < len(raw):
            tag, begin = _read_varint(raw, at)
            size, began = _read_size(raw, begin, tag & 7)
            content = raw[began : began + size]
            if len(content) < size or not 0 < tag >> 3 <= _LAST or raw[at:began] != _write_head(tag, size):
                return None
            fields.append(Field(tag >> 3, tag & 7, raw[at:begin], content))
            at = began + size
    except (IndexError, KeyError):  # cut off; a wire type that is not known, or a group
        return None
    return fields


def write_varint(number: int) -> bytes:
    """Return a number as short as it can be."""
    parts = bytearray()
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*parts, number])


def _read_varint(raw: bytes, at: int) -> tuple[int, int]:
    """Return a number and where it ends."""
    number = shift = 0
    while True:
        byte = raw[at]
        number |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return number, at


def _read_size(raw: bytes, at: int, wire: int) -> tuple[int, int]:
    """Return how long a field's content is and where it begins."""
    if wire == BYTES:
        return _read_varint(raw, at)
    return (_read_varint(raw, at)[1] - at if wire == NUMBER else _FIXED[wire]), at


def _write_head(tag: int, size: int) -> bytes:
    return write_varint(tag) + (write_varint(size) if tag & 7 == BYTES else b"")
