"""A part of the page of figures: charts over the same instants, the table behind them, and what its module draws."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from markupsafe import Markup

from serai.domain.deployment import Event

from .metrics_curves import Chart, find_gaps
from .metrics_range import Asked, dump_instant
from .metrics_table import make_header, make_rows
from .words import event_words, iso


@dataclass(frozen=True, slots=True)
class Part:
    """Charts over the same instants. `note` says what the charts leave out, "" if nothing."""

    times: Sequence[datetime]
    interval_s: int
    charts: Sequence[Chart]
    note: str = ""

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
