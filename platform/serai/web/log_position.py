"""Where a reader of several replicas' logs has come to, as one opaque text: a cursor for each replica."""

from __future__ import annotations

import json
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping

from serai.domain.errors import NotFound

# Many replicas' cursors become long; a schema of their own would be shorter, but tied to one scheduler's cursors.
_MAX_BYTES = 1024 * 1024


def encode_position(cursors: Mapping[str, str]) -> str:
    """Return text of letters, digits, `-` and `_` for the cursors by replica."""
    packed = zlib.compress(json.dumps(dict(cursors), separators=(",", ":")).encode(), 1)
    return urlsafe_b64encode(packed).decode().rstrip("=")


def decode_position(text: str | None) -> dict[str, str]:
    """Return the cursors of a position; none for None. Raise NotFound for what `encode_position` did not make."""
    if text is None:
        return {}
    try:
        packed = urlsafe_b64decode(text + "=" * (-len(text) % 4))
        cursors = json.loads(zlib.decompressobj().decompress(packed, _MAX_BYTES))
    except (ValueError, zlib.error, RecursionError) as error:
        raise unknown_cursor() from error
    if not isinstance(cursors, dict) or not all(isinstance(cursor, str) for cursor in cursors.values()):
        raise unknown_cursor()
    return cursors


def unknown_cursor() -> NotFound:
    return NotFound("there is no such place in the logs; leave out the cursor to begin anew", "cursor-unknown")
