"""Instants and spans in addresses: RFC 3339, or how long ago."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from serai.domain.errors import Invalid
from serai.domain.quantity import parse_duration

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def parse_when(text: str, now: datetime, field: str) -> datetime:
    """Return the instant of `2026-01-31T12:00:00Z`, or of `5m`: that long before `now`. Never before 1970."""
    if "T" not in text:
        return max(EPOCH, now - timedelta(seconds=parse_duration(text, field)))
    try:
        instant = datetime.fromisoformat(text)
        return EPOCH if instant.year < EPOCH.year else max(EPOCH, instant.astimezone(UTC))
    except (ValueError, OverflowError) as error:
        raise Invalid(f"{field}: {text!r} is no instant; write 2026-01-31T12:00:00Z or 5m", field) from error
