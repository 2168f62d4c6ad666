"""Durations as options take them: seconds, or `30s`, `10m`, `1h30m`."""

from __future__ import annotations

from serai.domain.quantity import parse_duration


def read_seconds(text: str) -> float:
    """Return the seconds of `text`; Invalid for what is no duration."""
    return parse_duration(float(text) if text.replace(".", "", 1).isdecimal() else text, "the duration")
