"""Durations, sizes and CPU shares as people write them.

>>> parse_duration("1h30m", "idle"), parse_bytes("4GiB", "memory"), parse_cpu("1500MHz", "cpu")
(5400.0, 4294967296, Cpu(cores=None, mhz=1500))
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from .errors import Invalid

_DURATION_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_DURATION = re.compile(rf"(?:{_PART.pattern})+")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kKMGTPE]i?)?B?")
_POWERS = {"k": 1, "K": 1, "M": 2, "G": 3, "T": 4, "P": 5, "E": 6}
MAX_DURATION_S = 10 * 365 * 86400.0
MAX_BYTES = 2**53


def parse_duration(value: object, field: str) -> float:
    """Return seconds of `30s`, `1h30m`, `250ms` or a number of seconds; raise Invalid for the rest."""
    seconds = _number(value)
    if seconds is None and isinstance(value, str) and _DURATION.fullmatch(value):
        seconds = sum(float(number) * _DURATION_UNITS[unit] for number, unit in _PART.findall(value))
    if seconds is None or not 0 <= seconds <= MAX_DURATION_S:
        raise Invalid(f"{field}: {value!r} is not a duration; write 30s, 10m, 1h30m, 250ms or seconds", field)
    return seconds


def parse_bytes(value: object, field: str) -> int:
    """Return bytes of `4GiB`, `500MB` or a number of bytes; raise Invalid for the rest."""
    number = _number(value)
    if number is None and isinstance(value, str) and (match := _SIZE.fullmatch(value.strip())):
        number = float(match[1]) * _factor(match[2] or "")
    if number is None or not 0 < number <= MAX_BYTES:
        raise Invalid(f"{field}: {value!r} is not a size; write 512MiB, 4GiB or bytes", field)
    return int(number)


@dataclass(frozen=True, slots=True)
class Cpu:
    """A share of processors: cores (may be a fraction) or MHz, never both."""

    cores: float | None = None
    mhz: int | None = None


def parse_cpu(value: object, field: str) -> Cpu:
    """Return the share of `2` (cores), `0.5` or `1500MHz`; raise Invalid for the rest."""
    number = _number(value)
    if number is None and isinstance(value, str):
        if match := re.fullmatch(r"(\d{1,9})\s*MHz", value.strip()):
            return Cpu(mhz=int(match[1]))
        if re.fullmatch(r"\d+(\.\d+)?", value.strip()):
            number = float(value)
    if number is None or not 0 < number <= 4096:
        raise Invalid(f"{field}: {value!r} is not a CPU share; write cores (2, 0.5) or 1500MHz", field)
    return Cpu(cores=number)


def format_duration(seconds: float) -> str:
    """Return `seconds` for people: 0.25s, 12s, 3m, 2h5m, 4d."""
    if seconds < 60:
        return f"{seconds:.3g}s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes}m"
    if minutes < 48 * 60:
        return f"{minutes // 60}h{minutes % 60}m" if minutes % 60 else f"{minutes // 60}h"
    return f"{minutes // 1440}d"


def format_bytes(count: float) -> str:
    """Return `count` bytes for people, in binary units: 512 B, 1.5 MiB, 40 GiB."""
    units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]
    power = 0
    while count >= 1024 and power < len(units) - 1:
        count, power = count / 1024, power + 1
    return f"{count:.0f} {units[power]}" if count >= 100 or power == 0 else f"{count:.3g} {units[power]}"


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def _factor(unit: str) -> int:
    base = 1024 if unit.endswith("i") else 1000
    return int(base ** _POWERS[unit[0]]) if unit else 1
