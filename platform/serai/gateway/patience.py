"""How long a caller is ready to wait for a replica: the header X-Serai-Wait. Pure."""

from __future__ import annotations

from serai.domain.errors import Invalid
from serai.domain.quantity import parse_duration

from .problems import Problem

HEADER = "X-Serai-Wait"


def read_wait(header: str | None) -> float | None:
    """Return the seconds of `5`, `5s`, `250ms` or `0`, None where nothing is said; raise Problem for the rest."""
    if header is None:
        return None
    text = header.strip()
    try:
        return parse_duration(f"{text}s" if text.replace(".", "", 1).isdecimal() else text, HEADER)
    except Invalid:
        detail = f"{HEADER}: {header[:40]!r} is no time to wait; write seconds (5), 5s, 250ms, or 0 not to wait"
        raise Problem(400, "bad-wait", detail) from None


def shorten(limit_s: float, patience_s: float | None) -> float:
    """Return the seconds that a request waits: a caller may ask for fewer than the limit, never for more."""
    return limit_s if patience_s is None else min(limit_s, patience_s)
