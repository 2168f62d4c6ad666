"""`serai metrics`: how many requests, how fast, and what replicas use."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import click

from .durations import read_seconds
from .metrics_system import show_system
from .session import Session, connected
from .target import Target, target_argument
from .words import format_local, format_seconds

INTERVALS = {"1m": 60, "5m": 300, "15m": 900, "30m": 1800, "1h": 3600, "6h": 21600, "1d": 86400}
FIGURES = ("avg", "p50", "p75", "p90", "p95", "p99", "max")
MAX_ROWS = 24


@click.command()
@target_argument("NAME[:VERSION][/REPLICA]")
@click.option("--range", "range_s", type=read_seconds, default="1h", help="How far back.  [default: 1h]")
@click.option("--interval", type=click.Choice(list(INTERVALS)), help="Length of a row.  [default: fits the range]")
@click.option("--status", type=click.Choice(["1xx", "2xx", "3xx", "4xx", "5xx"]), help="Only answers of this class.")
@click.option("--clock", type=click.Choice(["total", "first_byte", "queue"]), default="total", help="What is timed.")
@click.option("--system", is_flag=True, help="CPU, memory and GPUs instead of requests.")
@connected
def metrics(
    session: Session,
    target: Target,
    range_s: float,
    interval: str | None,
    status: str | None,
    clock: str,
    system: bool,
) -> None:
    """Show how many requests came and how long they took, or what replicas used.

    Counts, averages and maxima are exact, percentiles within 1 %."""
    params = {
        "from": format_ago(range_s),
        "interval": interval or choose_interval(range_s),
        "version": target.version,
        "replica": target.replica,
    }
    if system:
        show_system(session, session.client.load_system(target.name, params))
        return
    found = session.client.load_requests(target.name, params | {"status": status})
    if session.out.as_json:
        session.out.document(found)
        return
    rows = [_make_row(format_local(bucket["at"]), bucket, clock) for bucket in found["buckets"]]
    rows.append(_make_row("total", found["total"], clock))
    session.out.table(("FROM", "REQUESTS", *(name.upper() for name in FIGURES)), rows, right=("REQUESTS",))


def format_ago(range_s: float) -> str:
    """Return how long ago as the API takes it: five digits and a unit, never less than `range_s`."""
    return f"{math.ceil(range_s)}s" if range_s < 86400 else f"{math.ceil(range_s / 60)}m"


def choose_interval(range_s: float) -> str:
    """Return the shortest interval that makes at most 24 rows of the range."""
    return next((name for name, seconds in INTERVALS.items() if range_s / seconds <= MAX_ROWS), "1d")


def _make_row(label: str, bucket: Mapping[str, Any], clock: str) -> tuple[str, ...]:
    figures = bucket if clock == "total" else bucket[clock]
    return (label, f"{figures['count']:,}", *(format_seconds(figures[name]) for name in FIGURES))
