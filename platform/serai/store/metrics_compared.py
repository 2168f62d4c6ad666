"""Compare two versions of a deployment: the same time of day, or the same time since each began to serve."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from serai.domain.errors import Invalid

from .database import Database
from .metrics import load_requests
from .metrics_comparison import Align, Comparison, Side
from .metrics_levels import INTERVALS_S, check_asked, derive_range, floor_to
from .metrics_reading import Chosen, find_first
from .metrics_rollup import load_levels
from .metrics_split import count_by_status

__all__ = ["Align", "Comparison", "Side", "load_comparison"]


@dataclass(frozen=True, slots=True)
class _Span:
    """[start, end) in epoch seconds of one version, and when its first known bucket begins."""

    version: int
    first: int | None
    start: float
    end: float


def load_comparison(
    db: Database,
    deployment: str,
    versions: tuple[int, int],
    start_at: datetime,
    end_at: datetime,
    interval_s: int,
    align: Align = Align.CLOCK,
) -> Comparison:
    """Return both versions over [start_at, end_at), widened and raised as `load_requests` does, and alike for both.

    With Align.START the range's length counts from the bucket in which each version had its first request, so that
    their beginnings lie on top of each other whenever they were; the first bucket is filled from that request on.
    Requests that reached no version are in neither. Raise Invalid as `load_requests` does, and for twice the same.
    """
    check_asked(start_at, end_at, interval_s, INTERVALS_S)
    if versions[0] == versions[1]:
        raise Invalid(f"a version is compared with another one, not with itself (version {versions[0]})", "versions")
    with db.read():
        levels = load_levels(db)
        firsts = [find_first(db, Chosen(deployment, version), levels) for version in versions]
        spans = [
            _Span(version, first, *_span(first, start_at.timestamp(), end_at.timestamp(), align))
            for version, first in zip(versions, firsts, strict=True)
        ]
        # Where the one's minutes are too old to be kept, the other is answered as coarsely.
        interval_s = max(derive_range(span.start, span.end, interval_s, levels).interval_s for span in spans)
        first, second = (_load_side(db, deployment, span, interval_s, align) for span in spans)
    return Comparison(align, interval_s, (first, second))


def _span(first: int | None, start: float, end: float, align: Align) -> tuple[float, float]:
    if align is Align.CLOCK or first is None:
        return start, end
    return first, first + end - start


def _load_side(db: Database, deployment: str, span: _Span, interval_s: int, align: Align) -> Side:
    start, end = span.start, span.end
    if align is Align.START:  # whole buckets, so that both have as many
        start = floor_to(start, interval_s)
        end = start + max(interval_s, -(-(span.end - span.start) // interval_s) * interval_s)
    asked = (deployment, _at(start), _at(end), interval_s, span.version)
    metrics = load_requests(db, *asked)
    nothing = (0,) * len(metrics.buckets)
    failed = count_by_status(db, *asked).get("5xx", nothing)
    return Side(span.version, metrics, failed, None if span.first is None else _at(span.first))


def _at(epoch_s: float) -> datetime:
    return datetime.fromtimestamp(epoch_s, UTC)
