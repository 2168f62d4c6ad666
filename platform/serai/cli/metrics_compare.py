"""Two versions beside each other as a table: a row for each figure, and how far the second is from the first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from serai.domain.quantity import format_bytes

from .session import Session
from .words import format_local, format_seconds

FIGURES = ("avg", "p50", "p75", "p90", "p95", "p99", "max")


def show_comparison(session: Session, found: Mapping[str, Any]) -> None:
    """Print the totals of the answer of `metrics/compare`; all of it as JSON."""
    if session.out.as_json:
        session.out.document(found)
        return
    names = [f"V{one['version']}" for one in found["versions"]]
    session.out.table(("FIGURE", *names, "CHANGE"), list(make_compared_rows(found)), right=(*names, "CHANGE"))
    for name, one in zip(names, found["versions"], strict=True):
        session.out.say(f"{name.lower()}: from {format_local(one['from'])} to {format_local(one['to'])}")


def make_compared_rows(found: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """Yield figure, both values and the change."""
    one, other = found["total"]["versions"]
    yield ("requests", *(f"{each['count']:,}" for each in (one, other)), _change(one["count"], other["count"]))
    shares = [each["error_share"] for each in (one, other)]
    yield ("failed (5xx)", *map(_percent, shares), _points(*shares))
    for figure in FIGURES:
        values = (one[figure], other[figure])
        yield (figure, *map(format_seconds, values), _change(*values))
    for figure, word in (("bytes_in", "in"), ("bytes_out", "out")):
        yield (word, *(format_bytes(each[figure]) for each in (one, other)), _change(one[figure], other[figure]))


def _change(one: float | None, other: float | None) -> str:
    return f"{100 * (other - one) / one:+.1f} %" if one and other is not None else "-"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.2f} %"


def _points(one: float | None, other: float | None) -> str:
    return "-" if one is None or other is None else f"{100 * (other - one):+.2f} points"
