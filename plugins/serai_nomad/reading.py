"""Reads Nomad's JSON, in which any key may be missing, null or of another kind; nothing here ever raises."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from .facts import Json


def text_of(json: Json, key: str) -> str:
    value = json.get(key)
    return value if isinstance(value, str) else ""


def number_of(json: Json, key: str) -> int:
    """Return an integer, also one written as text, as in an event's details; 0 for anything else."""
    value = json.get(key)
    try:
        return int(value) if isinstance(value, int | str) else 0
    except ValueError:
        return 0


def flag_of(json: Json, key: str) -> bool:
    return json.get(key) is True


def mapping_of(json: Json, key: str) -> dict[str, Any]:
    value = json.get(key)
    return value if isinstance(value, dict) else {}


def rows_of(json: Json, key: str) -> list[Json]:
    """Return a list's objects."""
    value = json.get(key)
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


def nanoseconds_of(json: Json, key: str) -> datetime | None:
    """Return the instant of nanoseconds since 1970; None for 0 and for what is no instant."""
    value = number_of(json, key)
    try:
        return datetime.fromtimestamp(value / 1e9, UTC) if value > 0 else None
    except (OverflowError, ValueError, OSError):
        return None


def instant_of(json: Json, key: str) -> datetime | None:
    """Return the instant of an RFC 3339 text; None for Nomad's zero time, year 1, and for what is no instant."""
    try:
        instant = datetime.fromisoformat(text_of(json, key))
        aware = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
        return aware.astimezone(UTC) if aware.year > 1 else None
    except (OverflowError, ValueError):
        return None
