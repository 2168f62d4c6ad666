"""`/d/<name>/logs`: the log of a version, of one replica or merged; later lines come from the API's stream."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import flask
from flask import Blueprint, Response

from serai.domain.errors import NotFound, NotSupported
from serai.domain.observation import LogLine, Stream
from serai.domain.quantity import parse_duration
from serai.reconcile.core import Core
from serai.reconcile.views import VersionView

from .heading import Heading, load_heading
from .log_lines import keep_last, level_of, load_lines

SHOWN_LINES = 500
SINCE = ("", "1m", "5m", "15m", "1h", "6h", "1d")


@dataclass(frozen=True, slots=True)
class Choice:
    """What of the log is looked at. `replica` "" is all of them, `since` "" from the first kept line."""

    view: VersionView
    replica: str
    stream: Stream | None
    since: str
    since_at: datetime | None


class LogPages:
    def __init__(self, core: Core) -> None:
        self._core = core

    def register(self, ui: Blueprint) -> None:
        ui.get("/d/<name>/logs", endpoint="logs")(self.show)
        ui.get("/d/<name>/logs.txt", endpoint="download_logs")(self.download)

    def show(self, name: str) -> str:
        heading = load_heading(self._core, name, "logs")
        choice = self._choose(heading) if heading.view.versions else None
        problem, lines = "", []
        if choice is not None:
            try:
                lines = keep_last(self._load(choice), SHOWN_LINES)
            except NotSupported as error:
                problem = error.message
        return flask.render_template(
            "serai/logs.html",
            heading=heading,
            choice=choice,
            lines=[(line, level_of(line)) for line in lines],
            problem=problem,
            streams=list(Stream),
            sinces=SINCE,
        )

    def download(self, name: str) -> Response:
        """Send everything chosen as a text file, a line at a time."""
        heading = load_heading(self._core, name, "logs")
        choice = self._choose(heading)
        version = choice.view.version.number
        file = f"{name}-v{version}{'-' + choice.replica if choice.replica else ''}.log"
        return Response(
            write_lines(self._load(choice)),
            content_type="text/plain; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="{file}"'},
        )

    def _load(self, choice: Choice) -> Iterator[LogLine]:
        return load_lines(self._core.scheduler, choice.view, choice.replica, choice.stream, choice.since_at)

    def _choose(self, heading: Heading) -> Choice:
        asked = flask.request.args
        number = asked.get("version", 0, type=int)
        view = heading.view.version(number) if number else heading.shown
        if view is None:
            raise NotFound(f"{heading.name} has no version {number or ''}; deploy one first", "version-not-found")
        replica = asked.get("replica", "")
        known = {one.id for one in view.replicas}
        stream = asked.get("stream", "")
        since = asked.get("since", "")
        since_at = self._core.clock() - timedelta(seconds=parse_duration(since, "since")) if since else None
        return Choice(view, replica if replica in known else "", Stream(stream) if stream in list(Stream) else None,
                      since, since_at)  # fmt: skip


def write_lines(lines: Iterator[LogLine]) -> Iterator[str]:
    """Yield each line with its time, replica and stream."""
    for line in lines:
        at = line.at.isoformat(timespec="milliseconds")
        yield f"{at} {line.replica} {line.stream.value:<6} {line.text}\n"
