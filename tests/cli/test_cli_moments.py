"""Times and ranges as `serai metrics` takes them, and two versions as it shows them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from serai.cli.metrics_compare import make_compared_rows
from serai.cli.moments import Span, name_zone, read_moment, read_span
from serai.domain.errors import Invalid


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> Iterator[datetime]:
    """A winter's day in Berlin, an hour before UTC; in summer it is two."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield datetime(2026, 11, 27, 14, 0, tzinfo=UTC).astimezone()
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("14:00", "2026-11-27T13:00"),
        ("14:30:10", "2026-11-27T13:30:10"),
        ("14:00Z", "2026-11-27T14:00"),
        ("2026-11-30", "2026-11-29T23:00"),
        ("2026-11-27 14:00", "2026-11-27T13:00"),
        ("2026-07-01 14:00", "2026-07-01T12:00"),
        ("2026-11-27T14:00:00-05:00", "2026-11-27T19:00"),
        ("6h", "2026-11-27T08:00"),
        ("1d12h", "2026-11-26T02:00"),
    ],
)
def test_times_are_of_this_machine_unless_a_zone_is_named(now: datetime, text: str, utc: str) -> None:
    assert read_moment(text, now, "--from") == datetime.fromisoformat(utc).replace(tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01", "25:00", "2026-11-27 14:00 CET", "-3h"])
def test_what_is_no_time_is_told_with_the_zone(now: datetime, text: str) -> None:
    with pytest.raises(Invalid, match=r"--to: .* is no time; write 14:00, .*UTC\+01:00"):
        read_moment(text, now, "--to")


def test_ranges(now: datetime) -> None:
    assert read_span(None, None, None, now) == Span(None, None, 3600.0)
    assert read_span(60.0, None, None, now) == Span(None, None, 60.0)
    assert read_span(None, "14:00", None, now) == Span("2026-11-27T13:00:00Z", None, 3600.0)
    assert read_span(600.0, None, "14:00", now) == Span("2026-11-27T12:50:00Z", "2026-11-27T13:00:00Z", 600.0)
    assert read_span(None, "2026-11-30", "2026-12-01", now).length_s == timedelta(days=1).total_seconds()


@pytest.mark.parametrize(
    ("range_s", "start", "end", "complaint"),
    [
        (60.0, "14:00", None, "not both"),
        (None, "14:00", "13:00", r"ends \(13:00\) before it starts \(14:00\); times are of UTC\+01:00"),
        (None, "16:00", None, r"ends \(now\) before it starts"),
    ],
)
def test_ranges_that_contradict_themselves(
    now: datetime, range_s: float | None, start: str, end: str | None, complaint: str
) -> None:
    with pytest.raises(Invalid, match=complaint):
        read_span(range_s, start, end, now)


def test_zones_by_name(now: datetime) -> None:
    assert name_zone(now) == "UTC+01:00"


def make_side(count: int, seconds: float | None, share: float | None, size: int) -> dict[str, float | None]:
    times = dict.fromkeys(("avg", "p50", "p75", "p90", "p95", "p99", "max"), seconds)
    return {"count": count, "error_share": share, "bytes_in": size, "bytes_out": 0} | times


def test_two_versions_as_rows() -> None:
    sides = [make_side(1000, 0.2, 0.05, 2048), make_side(1500, 0.15, 0.0, 1024)]
    rows = {row[0]: row[1:] for row in make_compared_rows({"total": {"versions": sides}})}
    assert rows["requests"] == ("1,000", "1,500", "+50.0 %")
    assert rows["failed (5xx)"] == ("5.00 %", "0.00 %", "-5.00 points")
    assert rows["p99"] == ("200 ms", "150 ms", "-25.0 %")
    assert rows["in"] == ("2 KiB", "1 KiB", "-50.0 %")
    assert rows["out"] == ("0 B", "0 B", "-")
    sides[1] = make_side(0, None, None, 0)
    rows = {row[0]: row[1:] for row in make_compared_rows({"total": {"versions": sides}})}
    assert (rows["p50"], rows["failed (5xx)"]) == (("200 ms", "-", "-"), ("5.00 %", "-", "-"))
