"""`/d/<name>/metrics`: requests and systems of any range, as charts, tables and CSV; one range for the whole page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import flask
from flask import Blueprint, Response
from markupsafe import Markup

from serai.domain.deployment import Event
from serai.domain.errors import NotFound
from serai.domain.window import Clock
from serai.reconcile.core import Core
from serai.store import events
from serai.store.metrics import RequestMetrics, load_requests
from serai.store.metrics_answer import PERCENTILES, Times
from serai.store.usage import SystemMetrics, load_usage

from .chart_library import ChartLibrary
from .heading import load_heading
from .metrics_curves import Chart, find_gaps, make_request_charts, make_system_charts
from .metrics_range import INTERVALS, PRESETS, Asked, dump_instant, read_asked
from .metrics_table import make_header, make_rows, write_csv
from .words import event_words, iso

MOST_MARKS = 40
MOST_ROWS = 500
_LOOKED_THROUGH = 1000
_MARKED = frozenset({"started", "ready", "failed", "stopped", "superseded", "handed-over", "returned", "scaled"})


@dataclass(frozen=True, slots=True)
class Part:
    """Charts over the same instants, and the table behind them."""

    times: Sequence[datetime]
    interval_s: int
    charts: Sequence[Chart]

    @property
    def is_empty(self) -> bool:
        return all(chart.is_empty for chart in self.charts)

    @property
    def gaps(self) -> int:
        return find_gaps(self.times, self.charts)

    @property
    def header(self) -> list[str]:
        return make_header(self.charts)

    @property
    def rows(self) -> list[tuple[datetime, list[str]]]:
        return list(make_rows(self.times, self.charts))


class MetricsPage:
    def __init__(self, core: Core, library: ChartLibrary) -> None:
        self._core = core
        self._library = library

    def register(self, ui: Blueprint) -> None:
        ui.get("/d/<name>/metrics", endpoint="metrics")(self.show)
        ui.get("/d/<name>/metrics/<part>.csv", endpoint="metrics_csv")(self.download)

    def show(self, name: str) -> str:
        heading = load_heading(self._core, name, "metrics")
        asked = read_asked(flask.request.args, self._core.clock())
        found = self._load_requests(name, asked)
        requests = make_request_part(found)
        system = make_system_part(self._load_system(name, asked), name, apart=asked.apart)
        marks = self._load_marks(name, asked)
        return flask.render_template(
            "serai/metrics.html",
            heading=heading,
            asked=asked,
            totals=make_totals(found.total[Clock.TOTAL]),
            count=found.total[Clock.TOTAL].count,
            figures={"requests": requests, "system": system},
            marks=marks,
            data=dump_page(asked, (requests, system), marks),
            library=self._library,
            presets=PRESETS,
            intervals=tuple(INTERVALS),
            most_rows=MOST_ROWS,
        )

    def download(self, name: str, part: str) -> Response:
        """Send the numbers of a part, of all intervals of the range."""
        self._core.cluster.view(name)
        asked = read_asked(flask.request.args, self._core.clock())
        match part:
            case "requests":
                found = make_request_part(self._load_requests(name, asked))
            case "system":
                found = make_system_part(self._load_system(name, asked), name, apart=asked.apart)
            case _:
                raise NotFound(f"there are no figures called {part!r}; there are requests and system", "no-such-page")
        return Response(
            write_csv(found.times, found.charts),
            content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="{name}-{part}.csv"'},
        )

    def _load_requests(self, name: str, asked: Asked) -> RequestMetrics:
        version, status = asked.version or None, asked.status or None
        span = (asked.start_at, asked.end_at, asked.interval_s)
        return load_requests(self._core.metrics, name, *span, version=version, status=status)

    def _load_system(self, name: str, asked: Asked) -> SystemMetrics:
        span = (asked.start_at, asked.end_at, asked.sample_interval_s)
        return load_usage(self._core.metrics, name, *span, version=asked.version or None)

    def _load_marks(self, name: str, asked: Asked) -> list[Event]:
        """Return the changes of versions and counts in the range, newest first."""
        found = events.list_events(self._core.db, name, limit=_LOOKED_THROUGH)
        inside = [event for event in found if asked.start_at <= event.at < asked.end_at]
        return [event for event in inside if event.kind.partition(".")[2] in _MARKED][:MOST_MARKS]


def make_request_part(found: RequestMetrics) -> Part:
    return Part([at for at, _ in found.buckets], found.interval_s, make_request_charts(found))


def make_system_part(found: SystemMetrics, name: str, *, apart: bool) -> Part:
    return Part(found.times, found.interval_s, make_system_charts(found, name, apart=apart))


def make_totals(total: Times) -> list[tuple[str, float | None]]:
    """Return the times of all requests of the range by their names."""
    percentiles = total.percentiles or (None,) * len(PERCENTILES)
    named = [(f"p{percent}", value) for percent, value in zip(PERCENTILES, percentiles, strict=True)]
    return [("avg", total.avg_s), ("max", total.max_s), *named]


def dump_page(asked: Asked, parts: Sequence[Part], marks: Sequence[Event]) -> Markup:
    """Return what the page's module draws, as JSON that may stand inside of an element."""
    document = {
        "from": dump_instant(asked.start_at),
        "to": dump_instant(asked.end_at),
        "marks": [{"at": iso(event.at), "text": mark_words(event)} for event in marks],
        "charts": [dump_chart(part, chart) for part in parts for chart in part.charts],
    }
    text = json.dumps(document, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace("&", "\\u0026"))  # noqa: S704 - no markup is left in it


def dump_chart(part: Part, chart: Chart) -> dict[str, object]:
    return {
        "id": chart.id,
        "unit": chart.unit,
        "kind": chart.kind,
        "interval": part.interval_s,
        "times": [int(at.timestamp()) for at in part.times],
        "curves": [
            {"name": curve.name, "hue": curve.hue, "dash": curve.dash, "shown": curve.shown, "values": curve.values}
            for curve in chart.curves
        ],
    }


def mark_words(event: Event) -> str:
    """Return an event as the few words beside its line: `v3 ready after 12 s`."""
    words = event_words(event)
    short = words if len(words) <= 28 else f"{words[:27]}…"
    return f"v{event.version} {short}" if event.version else short
