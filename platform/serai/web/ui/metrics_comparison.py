"""Two versions of a deployment over the same time and by the same clock: their curves, and how far they differ."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from serai.domain.quantity import format_bytes
from serai.domain.window import Clock
from serai.store.metrics_compared import Comparison, Side

from .metrics_choice import Choice
from .metrics_curves import Chart, Curve
from .metrics_parts import Part
from .metrics_requests import READS, make_named_curves, title_times
from .words import seconds


@dataclass(frozen=True, slots=True)
class Row:
    """A figure of both versions in words, and how far the second is from the first."""

    name: str
    one: str
    other: str
    change: str


@dataclass(frozen=True, slots=True)
class Compared:
    """`versions` in the order of the columns; `part` has their charts."""

    versions: tuple[int, int]
    rows: tuple[Row, ...]
    part: Part

    @property
    def is_empty(self) -> bool:
        return self.part.is_empty


def make_compared(found: Comparison, choice: Choice) -> Compared:
    """Return two versions beside each other: counts, failures and one curve of times, and all figures as rows."""
    one, other = found.sides
    named = {f"v{side.version}": side.metrics for side in found.sides}
    counts = (Curve(f"v{side.version}", _known_counts(side), hue, hue) for hue, side in enumerate(found.sides))
    shares = (Curve(f"v{side.version}", _known_shares(side), hue, hue) for hue, side in enumerate(found.sides))
    times = (
        Curve(curve.name, curve.values, hue, hue)
        for hue, curve in enumerate(make_named_curves(named, choice.clock, choice.measure))
    )
    charts = (
        Chart("compared-count", "Requests", "requests", tuple(counts)),
        Chart("compared-failed", "Failed", "percent", tuple(shares)),
        Chart("compared-time", f"{title_times(choice.clock)}, {choice.measure}", "seconds", tuple(times)),
    )
    part = Part([at for at, _ in one.metrics.buckets], found.interval_s, charts)
    return Compared((one.version, other.version), tuple(_make_rows(one, other, choice.clock)), part)


def _known_counts(side: Side) -> tuple[float | None, ...]:
    """Return the counts; where nobody called, a version was as likely not there at all: a gap, not zero."""
    return tuple(float(clocks[Clock.TOTAL].count) or None for _, clocks in side.metrics.buckets)


def _known_shares(side: Side) -> tuple[float | None, ...]:
    shares = [side.error_share(place) for place in range(len(side.failed))]
    return tuple(None if share is None else 100 * share for share in shares)


def _make_rows(one: Side, other: Side, clock: Clock) -> Iterator[Row]:
    whole = [side.clocks()[Clock.TOTAL] for side in (one, other)]
    counts = [times.count for times in whole]
    yield Row("requests", f"{counts[0]:,}", f"{counts[1]:,}", word_change(*counts))
    yield _make_failed_row(one.error_share(), other.error_share())
    timed = [side.clocks()[clock] for side in (one, other)]
    for name, read in READS.items():
        first, second = map(read, timed)
        yield Row(name, seconds(first), seconds(second), word_change(first, second))
    for name, sizes in (("received", [t.bytes_in for t in whole]), ("sent", [t.bytes_out for t in whole])):
        yield Row(name, format_bytes(sizes[0]), format_bytes(sizes[1]), word_change(*sizes))


def _make_failed_row(one: float | None, other: float | None) -> Row:
    words = ["–" if share is None else f"{100 * share:.2f} %" for share in (one, other)]
    points = "–" if one is None or other is None else f"{100 * (other - one):+.2f} points".replace("-", "−")
    return Row("failed (5xx)", words[0], words[1], points)


def word_change(one: float | None, other: float | None) -> str:
    """Return how far `other` is from `one`: `+12 %`, `−3 %`; a dash where either is not known, or the first nothing."""
    if not one or other is None:
        return "–"
    change = 100 * (other - one) / one
    return f"{change:+,.0f} %".replace("-", "−") if abs(change) >= 0.5 else "the same"
