"""Seconds as Nomad's API takes them: whole nanoseconds."""

from __future__ import annotations

_SECOND = 1_000_000_000


def nanoseconds(seconds: float, least_s: float = 0.0) -> int:
    """Return `seconds`, but not less than `least_s`."""
    return round(max(seconds, least_s) * _SECOND)
