"""Two versions beside each other: the same figures as each alone, bucket by bucket, whenever each began."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import product

import pytest

from serai.domain.errors import Invalid
from serai.domain.window import Clock
from serai.store.database import Database
from serai.store.metrics import load_requests, prune_metrics, roll_up, take_windows
from serai.store.metrics_compared import load_comparison
from serai.store.metrics_comparison import Align, Comparison, Side, dump_comparison
from serai.telemetry.fold import Folder
from tests.store.metrics_oracle import DAY, HOUR, SHORT, Gateway, Request, assert_answer, count_request

MINUTE = timedelta(minutes=1)


def count(folder: Folder, gateway: Gateway, version: int, at: datetime, status: int = 200, took_s: float = 0.5) -> None:
    first = took_s / 2 if status == 200 else None
    request = Request(at.timestamp(), version, f"m-v{version}.1", status, took_s, first, 10 * version, 1)
    count_request(folder, gateway.deployment, request)
    gateway.requests.append(request)


def assert_side(side: Side, gateway: Gateway) -> None:
    own = [request for request in gateway.requests if request.version == side.version]
    assert_answer(side.metrics, own)
    for place, (at, _) in enumerate(side.metrics.buckets):
        end = at.timestamp() + side.metrics.interval_s
        start = max(at, side.metrics.start_at).timestamp()
        failed = sum(request.status >= 500 and start <= request.at < end for request in own)
        assert side.failed[place] == failed


def test_each_side_is_what_the_version_alone_has(db: Database) -> None:
    gateway = Gateway()
    take_windows(db, gateway.serve(600, DAY, 5 * HOUR))
    roll_up(db, DAY + 3 * HOUR)
    for align, interval_s in product(Align, (60, 900, 3600)):
        assert_both_sides(db, gateway, align, interval_s)


def assert_both_sides(db: Database, gateway: Gateway, align: Align, interval_s: int) -> None:
    found = load_comparison(db, "digits", (1, 2), DAY + 7 * MINUTE, DAY + 3 * HOUR, interval_s, align)
    assert [side.version for side in found.sides] == [1, 2]
    assert len({len(side.metrics.buckets) for side in found.sides}) == 1
    for side in found.sides:
        assert_side(side, gateway)
    if align is Align.CLOCK:
        assert found.sides[0].metrics == load_requests(
            db, "digits", DAY + 7 * MINUTE, DAY + 3 * HOUR, interval_s, version=1
        )


def begin_apart(db: Database) -> Gateway:
    """Version 1 serves from 00:00 on and version 2 from 02:20 on, a request a minute for half an hour."""
    gateway, folder = Gateway(), Folder()
    for minute in range(30):
        count(folder, gateway, 1, DAY + minute * MINUTE, status=503 if minute < 6 else 200)
        count(folder, gateway, 2, DAY + 140 * MINUTE + minute * MINUTE, took_s=1.0)
    take_windows(db, [gateway.number(start, series) for start, series in folder.take(0.0, all=True)])
    return gateway


def shares(found: Comparison) -> list[float | None]:
    return [side.error_share() for side in found.sides]


@pytest.mark.parametrize("rolled", [False, True])
def test_versions_are_laid_upon_each_other_by_their_first_request(db: Database, rolled: bool) -> None:
    begin_apart(db)
    if rolled:
        roll_up(db, DAY + 30 * HOUR)
    asked = ("digits", (1, 2), DAY, DAY + HOUR, 300)
    found = load_comparison(db, *asked, Align.START)
    assert [side.first_at for side in found.sides] == [DAY, DAY + 140 * MINUTE]
    counts = [[clocks[Clock.TOTAL].count for _, clocks in side.metrics.buckets] for side in found.sides]
    assert counts == [[5] * 6 + [0] * 6] * 2
    assert shares(found) == [0.2, 0.0]
    beside = load_comparison(db, *asked)
    assert [side.metrics.total[Clock.TOTAL].count for side in beside.sides] == [30, 0]
    assert shares(beside) == [0.2, None]


def test_where_minutes_are_gone_both_are_answered_as_coarsely(db: Database) -> None:
    gateway = begin_apart(db)
    now = DAY + 3 * HOUR + 2 * MINUTE
    roll_up(db, now)
    prune_metrics(db, now, SHORT)
    found = load_comparison(db, "digits", (1, 2), DAY, DAY + HOUR, 60, Align.START)
    assert {side.metrics.interval_s for side in found.sides} == {found.interval_s} == {3600}
    assert [side.first_at for side in found.sides] == [DAY, DAY + 140 * MINUTE]
    assert [side.metrics.buckets[0][1][Clock.TOTAL].count for side in found.sides] == [30, 30]
    for side in found.sides:
        assert_side(side, gateway)


def test_in_words_of_the_api(db: Database) -> None:
    begin_apart(db)
    found = load_comparison(db, "digits", (1, 2), DAY, DAY + HOUR, 900, Align.START)
    answer = dump_comparison(found, Clock.FIRST_BYTE)
    assert answer["versions"][1] == {
        "version": 2,
        "from": "2026-01-01T02:15:00Z",
        "to": "2026-01-01T03:15:00Z",
        "first": "2026-01-01T02:20:00Z",
    }
    first, second = answer["total"]["versions"]
    assert (first["count"], first["error_share"], first["bytes_in"]) == (30, 0.2, 300)
    assert first["avg"] == first["max"] == 0.25
    difference = answer["total"]["difference"]
    assert (difference["count"], difference["error_share"], difference["bytes_in"]) == (0, -0.2, 300)
    assert difference["p99"] == pytest.approx(second["p99"] - first["p99"])
    bucket = answer["buckets"][2]
    assert (bucket["offset"], [one["at"][11:16] for one in bucket["versions"]]) == (1800, ["00:30", "02:45"])
    assert (bucket["versions"][0]["count"], bucket["versions"][0]["avg"], bucket["difference"]["avg"]) == (
        0,
        None,
        None,
    )


def test_a_version_without_requests_and_one_twice(db: Database) -> None:
    begin_apart(db)
    found = load_comparison(db, "digits", (2, 7), DAY, DAY + HOUR, 60, Align.START)
    assert (found.sides[1].first_at, found.sides[1].error_share()) == (None, None)
    assert len(found.sides[0].failed) == len(found.sides[1].failed) == 60
    with pytest.raises(Invalid, match="not with itself"):
        load_comparison(db, "digits", (2, 2), DAY, DAY + HOUR, 60)
