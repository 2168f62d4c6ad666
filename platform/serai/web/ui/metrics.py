"""`/d/<name>/metrics`: requests and systems of any range, as charts, tables and CSV; one range for the whole page."""

from __future__ import annotations

from collections.abc import Mapping

import flask
from flask import Blueprint, Response

from serai.domain.deployment import Event
from serai.domain.errors import NotFound
from serai.domain.quantity import format_bytes
from serai.domain.window import Clock
from serai.reconcile.core import Core
from serai.reconcile.views import DeploymentView
from serai.store import events

from .chart_library import ChartLibrary
from .heading import load_heading
from .metrics_choice import CLOCK_WORDS, MEASURES, STATUSES
from .metrics_figures import Figurer, Figures, Owner
from .metrics_parts import dump_page
from .metrics_range import INTERVALS, PRESETS, Asked, read_asked
from .metrics_requests import READS
from .metrics_systems import name_replica
from .metrics_table import write_csv
from .words import seconds

MOST_MARKS = 40
MOST_ROWS = 500
_LOOKED_THROUGH = 1000
_MARKED = frozenset({"started", "ready", "failed", "stopped", "superseded", "handed-over", "returned", "scaled"})
_CHOICES = {
    "presets": PRESETS,
    "intervals": tuple(INTERVALS),
    "statuses": STATUSES,
    "clocks": CLOCK_WORDS,
    "measures": MEASURES,
    "most_rows": MOST_ROWS,
}


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
        shown = find_shown(heading.view)
        figures = Figurer(self._core.metrics, name, asked).load(shown)
        marks = self._load_marks(name, asked)
        parts = [figures.requests, figures.system, *([figures.compared.part] if figures.compared else [])]
        return flask.render_template(
            "serai/metrics.html",
            heading=heading,
            asked=asked,
            choice=asked.choice,
            spoken_for=shown,
            totals=make_totals(figures, asked),
            count=figures.all_requests.total[Clock.TOTAL].count,
            figures=figures,
            replicas=list_choosable(heading.view, figures.replicas, asked),
            marks=marks,
            data=dump_page(asked, parts, marks),
            library=self._library,
            **_CHOICES,
        )

    def download(self, name: str, part: str) -> Response:
        """Send the numbers of a part, of all intervals of the range."""
        view = self._core.cluster.view(name)
        asked = read_asked(flask.request.args, self._core.clock())
        found = Figurer(self._core.metrics, name, asked).load_part(part, find_shown(view))
        if found is None:
            known = "there are requests and system, and comparison where two versions are compared"
            raise NotFound(f"there are no figures called {part!r}; {known}", "no-such-page")
        return Response(
            write_csv(found.times, found.charts),
            content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="{name}-{part}.csv"'},
        )

    def _load_marks(self, name: str, asked: Asked) -> list[Event]:
        """Return the changes of versions and counts in the range, newest first."""
        found = events.list_events(self._core.db, name, limit=_LOOKED_THROUGH)
        inside = [event for event in found if asked.start_at <= event.at < asked.end_at]
        return [event for event in inside if event.kind.partition(".")[2] in _MARKED][:MOST_MARKS]


def find_shown(view: DeploymentView) -> int:
    """Return the number of the version that speaks for a deployment, 0 if it has none."""
    return view.shown.version.number if view.shown else 0


def make_totals(figures: Figures, asked: Asked) -> list[tuple[str, str]]:
    """Return what stands at the upper right, of all chosen requests of the range: names and words."""
    clocks = figures.all_requests.total
    total, count = clocks[asked.choice.clock], clocks[Clock.TOTAL].count
    times = [(name, seconds(read(total))) for name, read in READS.items()]
    sizes = (("received", clocks[Clock.TOTAL].bytes_in), ("sent", clocks[Clock.TOTAL].bytes_out))
    told = [(name, format_bytes(size)) for name, size in sizes if size]
    return [("requests", f"{count:,}"), *_word_failed(figures.statuses, count), *times, *told]


def _word_failed(statuses: Mapping[str, int], count: int) -> list[tuple[str, str]]:
    failed = statuses.get("5xx", 0) if len(statuses) > 1 else 0
    return [("failed", f"{failed:,} ({100 * failed / count:.2g} %)")] if failed else []


def list_choosable(view: DeploymentView, reached: tuple[Owner, ...], asked: Asked) -> list[tuple[str, str]]:
    """Return the replicas that can be chosen, (id, name): those reached in the range, those known now, the chosen."""
    name, choice = view.deployment.name, asked.choice
    known = [(one.version.number, replica.id) for one in view.versions for replica in one.replicas]
    owners = {owner for owner in (*reached, *known) if owner[1] and choice.version in {0, owner[0]}}
    named = {replica: name_replica(name, version, replica) for version, replica in sorted(owners, reverse=True)}
    return list(({choice.replica: choice.replica} | named if choice.replica else named).items())
