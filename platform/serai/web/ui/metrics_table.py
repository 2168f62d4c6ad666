"""The numbers behind charts: rows for a table, and the same as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from datetime import datetime

from serai.domain.quantity import format_bytes

from .metrics_curves import Chart, Curve
from .words import iso, seconds


def make_header(charts: Sequence[Chart]) -> list[str]:
    """Return the heads of the columns after the time's."""
    return [_head(chart, curve) for chart, curve in _columns(charts)]


def make_rows(times: Sequence[datetime], charts: Sequence[Chart]) -> Iterator[tuple[datetime, list[str]]]:
    """Yield the instants that have a value, newest first, with their cells in words; a dash is a gap."""
    columns = list(_columns(charts))
    for place in reversed(range(len(times))):
        values = [curve.values[place] for _, curve in columns]
        if any(values) or any(value is not None for value in values if charts[0].kind != "bars"):
            yield times[place], [_word(chart.unit, value) for (chart, _), value in zip(columns, values, strict=True)]


def write_csv(times: Sequence[datetime], charts: Sequence[Chart]) -> str:
    """Return all instants, oldest first: seconds, cores, bytes and percent as plain numbers, nothing for a gap."""
    text = io.StringIO()
    writer = csv.writer(text)
    columns = list(_columns(charts))
    writer.writerow(["time", *(f"{_head(chart, curve)} ({chart.unit})" for chart, curve in columns)])
    for place, at in enumerate(times):
        writer.writerow([iso(at), *(_plain(curve.values[place]) for _, curve in columns)])
    return text.getvalue()


def _columns(charts: Sequence[Chart]) -> Iterator[tuple[Chart, Curve]]:
    return ((chart, curve) for chart in charts for curve in chart.curves)


def _head(chart: Chart, curve: Curve) -> str:
    return f"{chart.title} {curve.name}"


def _plain(value: float | None) -> str:
    return "" if value is None else f"{value:.10g}"


def _word(unit: str, value: float | None) -> str:
    if value is None:
        return "–"
    match unit:
        case "seconds":
            return seconds(value)
        case "bytes":
            return format_bytes(value)
        case "percent":
            return f"{value:.0f} %" if value >= 10 else f"{value:.2g} %"
        case "cores":
            return f"{value:.2f}"
        case "celsius":
            return f"{value:.0f} °C"
        case "watts":
            return f"{value:.0f} W"
    return f"{value:,.0f}"
