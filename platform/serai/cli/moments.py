"""Times as options take them: of this machine's zone, of a zone that is named, or how long ago."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from serai.domain.errors import Invalid
from serai.domain.quantity import parse_duration

_DEFAULT_S = 3600.0
_TIME = re.compile(r"[0-9]{2}:")


@dataclass(frozen=True, slots=True)
class Span:
    """A range as the API takes it. `end` None is now, `start` None as long before as the range is: by its clock."""

    start: str | None
    end: str | None
    length_s: float


def read_span(range_s: float | None, start: str | None, end: str | None, now: datetime) -> Span:
    """Return the range of the options --range, --from and --to. Raise Invalid where they contradict each other."""
    if start and range_s is not None:
        raise Invalid("give --range or --from, not both", "range")
    end_at = read_moment(end, now, "--to") if end else now
    start_at = read_moment(start, now, "--from") if start else end_at - timedelta(seconds=range_s or _DEFAULT_S)
    if start_at >= end_at:
        raise Invalid(
            f"the range ends ({end or 'now'}) before it starts ({start}); times are of {name_zone(now)}", "to"
        )
    length_s = (end_at - start_at).total_seconds()
    return Span(_dump(start_at) if start or end else None, _dump(end_at) if end else None, length_s)


def read_moment(text: str, now: datetime, option: str) -> datetime:
    """Return the instant of `14:00`, `2026-11-27`, `2026-11-27 14:00`, of one with `Z` or `+01:00`, or of `6h` ago.

    What names no zone is of this machine's; a time alone is of the day of `now`. Raise Invalid for the rest.
    """
    words = text.strip().replace(" ", "T", 1)
    try:
        return datetime.fromisoformat(f"{now:%Y-%m-%d}T{words}" if _TIME.match(words) else words).astimezone()
    except (ValueError, OverflowError):
        pass
    try:
        return now - timedelta(seconds=parse_duration(text.strip(), option))
    except Invalid as error:
        raise Invalid(
            f"{option}: {text!r} is no time; write 14:00, '2026-11-27 14:00' (both {name_zone(now)}),"
            " 2026-11-27T14:00:00Z, or 6h for six hours ago",
            option,
        ) from error


def name_zone(now: datetime) -> str:
    """Return this machine's zone as people know it: `UTC`, `UTC+01:00`."""
    offset = f"{now.astimezone():%z}"
    return "UTC" if offset == "+0000" else f"UTC{offset[:3]}:{offset[3:]}"


def _dump(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
