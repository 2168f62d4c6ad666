"""`/traces/<id>`: the spans of a request that were kept, as bars over time, and the way to the tracer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import flask
from flask import Blueprint
from markupsafe import Markup

from serai.domain.errors import NotFound
from serai.domain.trace_links import make_link
from serai.reconcile.core import Core
from serai.telemetry.trace_view import TraceSpan, view_trace
from serai.web.app import edge_of

_TRACE_ID = re.compile("[0-9a-f]{32}")
_LEAST_PERCENT = 0.5  # what a bar needs to be seen


@dataclass(frozen=True, slots=True)
class Row:
    """A span with its depth below the first, and its bar over the whole trace."""

    span: TraceSpan
    depth: int
    after_s: float
    bar: Markup


class TracePage:
    def __init__(self, core: Core) -> None:
        self._core = core

    def register(self, ui: Blueprint) -> None:
        ui.get("/traces/<trace_id>", endpoint="trace")(self.show)

    def show(self, trace_id: str) -> str:
        if not _TRACE_ID.fullmatch(trace_id):
            raise NotFound(f"{trace_id!r} is no trace: its id has 32 letters of 0-9 and a-f.", "no-such-page")
        spans = view_trace(edge_of(flask.current_app).spans.traces.find(bytes.fromhex(trace_id)))
        return flask.render_template(
            "serai/trace.html",
            trace_id=trace_id,
            link=make_link(self._core.trace_url, trace_id),
            rows=make_rows(spans),
            began_at=datetime.fromtimestamp(min(span.began_at for span in spans), UTC) if spans else None,
            took_s=_length_of(spans),
        )


def make_rows(spans: Sequence[TraceSpan]) -> list[Row]:
    """Return a row of each span, in the order given, which has what belongs to a span after it."""
    if not spans:
        return []
    began_at, length_s = min(span.began_at for span in spans), _length_of(spans)
    depths: dict[str, int] = {}
    rows = []
    for span in spans:
        depths[span.span_id] = depth = depths[span.parent_id] + 1 if span.parent_id in depths else 0
        after_s = span.began_at - began_at
        rows.append(Row(span, min(depth, 8), after_s, _draw(after_s, span.took_s, length_s, bool(span.error))))
    return rows


def _length_of(spans: Sequence[TraceSpan]) -> float:
    if not spans:
        return 0.0
    return max(span.began_at + span.took_s for span in spans) - min(span.began_at for span in spans)


def _draw(after_s: float, took_s: float, length_s: float, is_bad: bool) -> Markup:
    start, width = (100 * part / length_s if length_s else 0.0 for part in (after_s, took_s))
    width = min(max(width, _LEAST_PERCENT), 100.0)
    return Markup(
        '<svg class="span-bar" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="{}" x="{:.2f}" width="{:.2f}" height="8"/></svg>'
    ).format("bad" if is_bad else "", min(start, 100.0 - width), width)
