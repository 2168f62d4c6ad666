"""`serai metrics`: how many requests, how fast, how large, and what replicas use."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import click

from serai.domain.errors import Invalid
from serai.domain.quantity import format_bytes

from .durations import read_seconds
from .metrics_compare import FIGURES, show_comparison
from .metrics_system import show_system
from .moments import name_zone, read_span
from .session import Session, connected
from .target import Target, target_argument
from .words import format_local, format_seconds

INTERVALS = {"1m": 60, "5m": 300, "15m": 900, "30m": 1800, "1h": 3600, "6h": 21600, "1d": 86400}
MAX_ROWS = 24


@click.command()
@target_argument("NAME[:VERSION][/REPLICA]")
@click.option("--range", "range_s", type=read_seconds, metavar="AGE", help="How far back.  [default: 1h]")
@click.option(
    "--from", "start", metavar="TIME", help="From when on, in this machine's zone: '2026-11-27 14:00', 14:00."
)
@click.option("--to", "end", metavar="TIME", help="Until when; both also take a zone (14:00Z, +01:00) and ages (6h).")
@click.option("--interval", type=click.Choice(list(INTERVALS)), help="Length of a row.  [default: fits the range]")
@click.option("--status", type=click.Choice(["1xx", "2xx", "3xx", "4xx", "5xx"]), help="Only answers of this class.")
@click.option("--clock", type=click.Choice(["total", "first_byte", "queue"]), default="total", help="What is timed.")
@click.option("--system", is_flag=True, help="CPU, memory and GPUs instead of requests.")
@click.option("--compare", type=click.IntRange(1), nargs=2, metavar="A B", help="Two versions beside each other.")
@click.option(
    "--align",
    type=click.Choice(["clock", "start"]),
    help="Compare the same time of day, or the time since each version's first request.  [default: clock]",
)
@connected
def metrics(
    session: Session,
    /,
    target: Target,
    range_s: float | None,
    start: str | None,
    end: str | None,
    interval: str | None,
    compare: tuple[int, int] | None,
    system: bool,
    **chosen: str | None,
) -> None:
    """Show how many requests came and how long they took, or what replicas used.

    Counts, bytes, averages and maxima are exact, percentiles within 1 %. Times are of this machine's zone."""
    span = read_span(range_s, start, end, datetime.now().astimezone())
    start_at = span.start or format_ago(span.length_s)
    params = {"from": start_at, "to": span.end, "interval": interval or choose_interval(span.length_s)}
    _refuse_contradictions(compare is not None, system, chosen)
    if compare:
        show_comparison(session, _compare(session, target, params, compare, chosen))
        return
    params |= {"version": str(target.version) if target.version else None, "replica": target.replica}
    if system:
        show_system(session, session.client.load_system(target.name, params))
        return
    found = session.client.load_requests(target.name, params | {"status": chosen["status"]})
    _show(session, found, str(chosen["clock"]))


def format_ago(range_s: float) -> str:
    """Return how long ago as the API takes it: five digits and a unit, never less than `range_s`."""
    return f"{math.ceil(range_s)}s" if range_s < 86400 else f"{math.ceil(range_s / 60)}m"


def choose_interval(range_s: float) -> str:
    """Return the shortest interval that makes at most 24 rows of the range."""
    return next((name for name, seconds in INTERVALS.items() if range_s / seconds <= MAX_ROWS), "1d")


def _refuse_contradictions(compares: bool, system: bool, chosen: Mapping[str, str | None]) -> None:
    if compares and system:
        raise Invalid("--compare and --system exclude each other: requests are compared", "compare")
    if chosen["align"] and not compares:
        raise Invalid("--align says how versions are compared; add --compare A B", "align")
    if chosen["status"] and system:
        raise Invalid("--status is of requests, which --system does not show; leave one of them out", "status")


def _compare(
    session: Session,
    target: Target,
    params: Mapping[str, str | None],
    versions: tuple[int, int],
    chosen: Mapping[str, str | None],
) -> Mapping[str, Any]:
    if target.version or target.replica or chosen["status"]:
        raise Invalid("--compare takes whole versions; leave VERSION, REPLICA and --status out", "compare")
    more = {"versions": f"{versions[0]},{versions[1]}", "clock": chosen["clock"], "align": chosen["align"] or "clock"}
    return session.client.compare_versions(target.name, {**params, **more})


def _show(session: Session, found: Mapping[str, Any], clock: str) -> None:
    if session.out.as_json:
        session.out.document(found)
        return
    rows = [_make_row(format_local(bucket["at"]), bucket, clock) for bucket in found["buckets"]]
    rows.append(_make_row("total", found["total"], clock))
    heads = ("REQUESTS", *(name.upper() for name in FIGURES), "IN", "OUT")
    zone = name_zone(datetime.now().astimezone())
    session.out.table((f"FROM ({zone})", *heads), rows, right=("REQUESTS", "IN", "OUT"))


def _make_row(label: str, bucket: Mapping[str, Any], clock: str) -> tuple[str, ...]:
    figures = bucket if clock == "total" else bucket[clock]
    sizes = (format_bytes(bucket[name]) for name in ("bytes_in", "bytes_out"))
    return (label, f"{figures['count']:,}", *(format_seconds(figures[name]) for name in FIGURES), *sizes)
