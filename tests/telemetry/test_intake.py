"""What the server does with windows: stored once, passed on once, refused where impossible."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from serai.domain.errors import Invalid, SeraiError
from serai.domain.observation import LogLine, Stream
from serai.domain.window import Clock, SeriesKey, Summary, Window
from serai.plugin.log_store import LogKey
from serai.store.database import Database
from serai.store.metrics import load_requests
from serai.telemetry.intake import Intake
from tests.telemetry.test_sinks import RecordingSink, WholeSink, make_requests, make_sample

KEY = SeriesKey("digits", 1, "r", "2xx", Clock.TOTAL)
GOOD = Summary(2, 3.0, 1.0, 2.0, ((1.0, 1.0), (2.0, 1.0)))
START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    database = Database.open(f"sqlite:///{tmp_path}/metrics.db")
    yield database
    database.close()


def make(sequence: int, summary: Summary = GOOD, key: SeriesKey = KEY) -> Window:
    return Window("g", sequence, START.timestamp(), 10.0, {key: summary})


def count(db: Database) -> int:
    return load_requests(db, "digits", START, START.replace(hour=1), 60).total[Clock.TOTAL].count


def test_windows_are_stored_and_passed_on_once(db: Database) -> None:
    sink = RecordingSink()
    intake = Intake(db, {"one": sink})
    assert intake.take([make(1), make(2)]) == 2
    assert intake.take([make(2), make(3), make(3)]) == 3  # a gateway may forget what was taken before, too
    intake.take_usage([make_sample("r")])
    intake.close()
    assert count(db) == 6
    assert (sink.windows, sink.samples) == ([1, 2, 3], ["r"])


IMPOSSIBLE = {
    "no request": replace(GOOD, count=0),
    "more centroids than requests": replace(GOOD, count=1),
    "NaN": replace(GOOD, sum_s=math.nan),
    "infinite": replace(GOOD, max_s=math.inf),
    "negative": replace(GOOD, min_s=-1.0),
    "least above greatest": replace(GOOD, min_s=3.0),
    "centroid of nothing": replace(GOOD, centroids=((math.nan, 2.0),)),
    "fewer bytes than none": replace(GOOD, bytes_out=-1),
    "negative weight": replace(GOOD, centroids=((1.0, -1.0), (1.0, 3.0))),
}


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_impossible_figures_are_refused_with_all_that_came_with_them(db: Database, name: str) -> None:
    intake = Intake(db, {})
    with pytest.raises(Invalid, match="window 2 of the gateway 'g'"):
        intake.take([make(1), make(2, IMPOSSIBLE[name])])
    assert count(db) == 0
    intake.close()


@pytest.mark.parametrize("window", [make(-1), replace(make(1), start=math.nan), replace(make(1), gateway="")])
def test_impossible_windows_are_refused(db: Database, window: Window) -> None:
    intake = Intake(db, {})
    with pytest.raises(Invalid):
        intake.take([window])
    intake.close()


def test_a_window_that_could_not_be_stored_is_not_passed_on(db: Database) -> None:
    sink = RecordingSink()
    intake = Intake(db, {"one": sink})
    Path(db.name).unlink()
    Path(db.name).mkdir()
    db.close()
    with pytest.raises(SeraiError):
        intake.take([make(1)])
    intake.close()
    assert sink.windows == []


def test_lines_samples_and_requests_go_to_who_wants_them(db: Database) -> None:
    sink, other = WholeSink(), RecordingSink()
    intake = Intake(db, {"whole": sink, "other": other})
    at = datetime(2026, 1, 1, tzinfo=UTC)
    intake.take_lines(LogKey("digits-v3", "r"), [LogLine(at, "r", Stream.STDERR, text, text) for text in "ab"])
    intake.take_usage([make_sample("r"), make_sample("stranger")], {"r": "digits-v3"})
    assert intake.take_spans("gateway", make_requests("s", "t"), 0) == 2
    intake.close()
    assert (sink.lines, sink.spans) == (["a", "b"], ["s", "t"])
    assert [(one.deployment, one.version) for one in sink.collected] == [("digits", 3)] * 2
    assert [sample.workload for sample in sink.usage] == ["digits-v3", ""]
    assert other.samples == ["r", "stranger"]


def test_what_a_gateway_lost_is_said(db: Database, caplog: pytest.LogCaptureFixture) -> None:
    intake = Intake(db, {"whole": WholeSink()})
    assert intake.take_spans("gw-1", [], 12) == 0
    assert "gateway gw-1: 12 sampled requests were lost" in caplog.text
    assert {state.way: state.dropped for state in intake.feed.states()} == {"figures": 0, "logs": 0, "spans": 12}
    intake.close()
