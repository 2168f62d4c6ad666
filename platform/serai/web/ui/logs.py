"""`/d/<name>/logs`: the log of a version, of one replica or merged; later lines come from the API's stream."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import flask
from flask import Blueprint, Response

from serai.domain.errors import NotFound, NotSupported, SchedulerError
from serai.domain.log_filter import LogFilter
from serai.domain.observation import LogLine, Stream
from serai.domain.quantity import parse_duration
from serai.plugin.log_store import KeptLog
from serai.reconcile.core import Core
from serai.reconcile.views import VersionView

from .heading import Heading, load_heading
from .log_lines import level_of, load_last_lines, load_lines

SHOWN_LINES = 500
AGES = ("", "1m", "5m", "15m", "1h", "6h", "1d", "7d", "30d")
# The most characters that are looked for, and replicas whose logs are merged.
_MOST_CHARACTERS = 1000
_MOST_REPLICAS = 64


@dataclass(frozen=True, slots=True)
class Choice:
    """What of the log is looked at. `replica` "" is all of them, `since` and `until` "" everything that is kept.

    `past`: the replicas that only their logs are left of.
    """

    view: VersionView
    past: tuple[KeptLog, ...]
    replica: str
    stream: Stream | None
    since: str
    until: str
    text: str
    wanted: LogFilter

    @property
    def replicas(self) -> list[str]:
        known = [one.id for one in self.view.replicas] + [one.replica for one in self.past]
        return [self.replica] if self.replica else known[:_MOST_REPLICAS]


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
                lines = load_last_lines(self._core.logs, choice.view, choice.replicas, choice.wanted, SHOWN_LINES)
            except (NotSupported, SchedulerError) as error:
                problem = error.message
        return flask.render_template(
            "serai/logs.html",
            heading=heading,
            choice=choice,
            lines=[(line, level_of(line)) for line in lines],
            problem=problem,
            streams=list(Stream),
            ages=AGES,
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
        return load_lines(self._core.logs, choice.view, choice.replicas, choice.wanted)

    def _choose(self, heading: Heading) -> Choice:
        asked = flask.request.args
        number = asked.get("version", 0, type=int)
        view = heading.view.version(number) if number else heading.shown
        if view is None:
            raise NotFound(f"{heading.name} has no version {number or ''}; deploy one first", "version-not-found")
        past = tuple(self._core.logs.list_past(view))
        replica = asked.get("replica", "")
        known = {one.id for one in view.replicas} | {one.replica for one in past}
        stream = Stream(asked["stream"]) if asked.get("stream", "") in list(Stream) else None
        since, until = asked.get("since", ""), asked.get("until", "")
        text = asked.get("grep", "")[:_MOST_CHARACTERS]
        wanted = LogFilter(None, stream, self._read_age(since, "since"), self._read_age(until, "until"), text or None)
        return Choice(view, past, replica if replica in known else "", stream, since, until, text, wanted)

    def _read_age(self, age: str, field: str) -> datetime | None:
        return self._core.clock() - timedelta(seconds=parse_duration(age, field)) if age else None


def write_lines(lines: Iterator[LogLine]) -> Iterator[str]:
    """Yield each line with its time, replica and stream."""
    for line in lines:
        at = line.at.isoformat(timespec="milliseconds")
        yield f"{at} {line.replica} {line.stream.value:<6} {line.text}\n"
