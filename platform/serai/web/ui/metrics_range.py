"""Which part of time a page of figures is about, as its address says: a preset or two instants, and an interval."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from serai.domain.errors import Invalid
from serai.domain.quantity import parse_duration
from serai.store.metrics import INTERVALS_S
from serai.web.instants import parse_when

from .metrics_choice import Choice, read_choice

PRESETS = ("15m", "1h", "6h", "1d", "7d", "30d")
INTERVALS = dict(zip(("1m", "5m", "15m", "30m", "1h", "6h", "1d"), INTERVALS_S, strict=True))
FITTING = 180  # intervals of a range that chooses its own
MOST = 2000
_SHORT = timedelta(minutes=30)
SAMPLE_S = 10


@dataclass(frozen=True, slots=True)
class Asked:
    """What is looked at. `preset` "" is a range between two instants, `interval` "" one that fits."""

    start_at: datetime
    end_at: datetime
    preset: str
    interval: str
    choice: Choice = field(default_factory=Choice)
    problem: str = ""

    @property
    def interval_s(self) -> int:
        return INTERVALS[self.interval] if self.interval else fit_interval(self.length_s)

    @property
    def sample_interval_s(self) -> int:
        """Of system figures: single samples where the range is short enough to see them."""
        is_short = not self.interval and self.end_at - self.start_at <= _SHORT
        return SAMPLE_S if is_short else self.interval_s

    @property
    def length_s(self) -> float:
        return (self.end_at - self.start_at).total_seconds()

    def query(self, **changes: object) -> dict[str, object]:
        """Return the address's parameters, some of them changed; None takes one out."""
        given: dict[str, object] = {"from": self.preset or dump_instant(self.start_at)}
        given["to"] = None if self.preset else dump_instant(self.end_at)
        given["interval"] = self.interval or None
        return {name: value for name, value in (given | self.choice.query() | changes).items() if value is not None}


def read_asked(args: Mapping[str, str], now: datetime) -> Asked:
    """Return what the address asks for. What makes no sense is told in `problem`, and the last hour shown instead."""
    choice = read_choice(args)
    interval = args.get("interval", "")
    interval = interval if interval in INTERVALS else ""
    try:
        start_at, end_at, preset = _read_range(args, now)
    except Invalid as error:
        hour = now - timedelta(hours=1)
        return Asked(hour, now, "1h", interval, choice, f"{error.message} This is the last hour.")
    asked = Asked(start_at, end_at, preset, interval, choice)
    if asked.length_s / asked.interval_s <= MOST:
        return asked
    problem = f"{asked.length_s / asked.interval_s:,.0f} intervals of {interval} are too many to draw; longer ones fit."
    return Asked(start_at, end_at, preset, "", choice, problem)


def fit_interval(length_s: float) -> int:
    """Return the shortest interval that makes at most FITTING of the range."""
    return next((each for each in INTERVALS_S if length_s / each <= FITTING), INTERVALS_S[-1])


def dump_instant(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _read_range(args: Mapping[str, str], now: datetime) -> tuple[datetime, datetime, str]:
    start = args.get("from", "") or "1h"
    end = args.get("to", "")
    if not end and "T" not in start:
        return now - timedelta(seconds=parse_duration(start, "from")), now, start
    start_at = parse_when(_complete(start), now, "from")
    end_at = parse_when(_complete(end), now, "to") if end else now
    if end_at <= start_at:
        raise Invalid(f"The range ends ({end or 'now'}) before it starts ({start}).", "to")
    return start_at, end_at, ""


def _complete(text: str) -> str:
    """Return an instant without a zone, as browsers' fields give it, as one of UTC."""
    is_bare = "T" in text and not text.endswith("Z") and "+" not in text and text.count("-") < 3
    return f"{text}Z" if is_bare else text
