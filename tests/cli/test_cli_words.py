"""Pure parts of the command line: words, targets, steps, intervals, checks."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from serai.cli.checks import check_disk, check_folder
from serai.cli.metrics import choose_interval, format_ago
from serai.cli.metrics_system import COLUMNS, choose_columns, make_system_rows
from serai.cli.server_checks import check_clock
from serai.cli.steps import STEPS, Journey, find_step
from serai.cli.target import Target, pick_version, read_target
from serai.cli.words import clean, format_age, format_seconds
from serai.domain.errors import Invalid, NotFound


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("digits", Target("digits")),
        ("digits:3", Target("digits", 3)),
        ("digits:v3", Target("digits", 3)),
        ("digits:3/digits-v3-ab", Target("digits", 3, "digits-v3-ab")),
        ("digits/digits-v3-ab", Target("digits", None, "digits-v3-ab")),
    ],
)
def test_targets(text: str, target: Target) -> None:
    assert read_target(text) == target


@pytest.mark.parametrize("text", ["", ":3", "a:", "a:0", "a:x", "a/", "a:99999999999"])
def test_what_is_no_target(text: str) -> None:
    with pytest.raises(Invalid):
        read_target(text)


@pytest.mark.parametrize(
    ("deployment", "number"),
    [
        ({"shown": 4, "active": 4, "versions": [{"number": 5}]}, 4),
        ({"shown": None, "versions": [{"number": 5}, {"number": 4}]}, 5),
    ],
)
def test_the_version_that_is_meant(deployment: dict[str, Any], number: int) -> None:
    assert pick_version(deployment, Target("digits")) == number
    assert pick_version(deployment, Target("digits", 7)) == 7


def test_no_version_at_all() -> None:
    with pytest.raises(NotFound, match="has no version"):
        pick_version({"versions": []}, Target("digits"))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain \u00e4\ttab\n", "plain \u00e4\ttab\n"),
        ("\x1b[31mred\x1b[0m", "\x1b[31mred\x1b[0m"),
        ("\x1b[2Jgone", "\ufffd[2Jgone"),
        ("\x1b]0;title\x07", "\ufffd]0;title\ufffd"),
        ("a\rb\x08\x9b", "a\ufffdb\ufffd\ufffd"),
    ],
)
def test_text_that_steers_a_terminal_is_taken_out(text: str, shown: str) -> None:
    assert clean(text) == shown


def make_version(state: str, code: str = "", *phases: str, ready: int = 0) -> dict[str, Any]:
    reason = {"code": code, "text": code} if code else None
    replicas = [{"phase": phase, "current": True} for phase in phases]
    return {"state": state, "reason": reason, "replicas": replicas, "ready": ready, "wanted": 2}


@pytest.mark.parametrize(
    ("version", "step"),
    [
        (make_version("preparing", "scheduling"), "queued"),
        (make_version("preparing", "gpu-taken"), "queued"),
        (make_version("preparing", "fetching", "placed", "fetching"), "fetching"),
        (make_version("preparing", "checking"), "checking"),
        (make_version("preparing", "restarting", "backing-off"), "queued"),
        (make_version("running", "partly-ready", "ready", "loading"), "ready"),
    ],
)
def test_steps(version: dict[str, Any], step: str) -> None:
    assert find_step(version) == step


def test_a_leftover_of_an_earlier_run_is_no_step() -> None:
    version = make_version("preparing", "scheduling", "checking")
    version["replicas"][0]["current"] = False
    assert find_step(version) == "queued"


def test_a_journey_tells_each_change_once() -> None:
    journey = Journey()
    way = [
        (make_version("preparing", "scheduling"), True),
        (make_version("preparing", "scheduling"), False),
        (make_version("preparing", "loading", "loading"), True),
        (make_version("running", "partly-ready", "ready", ready=1), True),
        (make_version("running", "", "ready", "ready", ready=2), True),
    ]
    assert [journey.take(version, float(at)) for at, (version, _) in enumerate(way)] == [new for _, new in way]
    assert journey.reached == {"queued": 0, "loading": 2, "ready": 3}


def test_steps_that_are_done_or_skipped_are_behind() -> None:
    journey = Journey()
    assert not any(journey.is_behind(step) for step in STEPS)
    journey.take(make_version("preparing", "loading", "loading"), 1.0)
    assert [step for step in STEPS if journey.is_behind(step)] == ["queued", "placed", "fetching", "installing"]
    journey.take(make_version("running", "", "ready"), 2.0)
    assert all(journey.is_behind(step) for step in STEPS)


@pytest.mark.parametrize(("range_s", "interval"), [(60, "1m"), (3600, "5m"), (3601, "5m"), (86400, "1h"), (1e9, "1d")])
def test_intervals_fit_the_range(range_s: float, interval: str) -> None:
    assert choose_interval(range_s) == interval


@pytest.mark.parametrize(("range_s", "text"), [(0.5, "1s"), (3600, "3600s"), (7 * 86400, "10080m")])
def test_ranges_as_the_api_takes_them(range_s: float, text: str) -> None:
    assert format_ago(range_s) == text


def test_times() -> None:
    now = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
    assert format_age("2026-01-31T11:58:00Z", now) == "2m"
    assert format_age("2026-01-31T12:00:05Z", now) == "0s"
    assert format_age(None) == "-"
    assert [format_seconds(value) for value in (None, 0.0123, 0, 12.34)] == ["-", "12.3 ms", "0 ms", "12.3 s"]


@pytest.mark.parametrize(
    ("date", "level", "finding"),
    [
        ("Sat, 31 Jan 2026 12:00:00 GMT", "ok", "agrees"),
        ("Sat, 31 Jan 2026 12:01:00 GMT", "warn", "60 s ahead"),
        ("Sat, 31 Jan 2026 11:00:00 GMT", "warn", "3600 s behind"),
        ("", "warn", "does not tell"),
    ],
)
def test_clocks(date: str, level: str, finding: str) -> None:
    check = check_clock(date, datetime(2026, 1, 31, 12, 0, tzinfo=UTC).timestamp())
    assert check.level == level
    assert finding in check.finding


@pytest.mark.parametrize(("free_bytes", "level"), [(2**40, "ok"), (2**30, "warn"), (2**20, "fail")])
def test_disks(free_bytes: int, level: str) -> None:
    check = check_disk(free_bytes)
    assert check.level == level
    assert bool(check.way_out) == (level != "ok")


def test_data_folders(tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert check_folder(data).level == "ok"
    data.mkdir(mode=0o700)
    (data / "admin.token").touch(mode=0o600)
    assert check_folder(data).level == "ok"
    (data / "admin.token").chmod(0o644)
    assert check_folder(data).level == "fail"
    assert "admin.token" in check_folder(data).finding
    (data / "admin.token").unlink()
    data.chmod(0o755)
    assert check_folder(data).level == "warn"


def test_systems_are_rows_with_dashes_for_gaps() -> None:
    one = {"version": 2, "replicas": [2, 0], "cpu_user": [0.5, None], "cpu_system": [0.25, None]}
    one |= {"cpu_cores": [4.0, None], "memory_used": [2.0**30, None], "memory_total": [2.0**31, None]}
    one |= {"disk_used": [3.0 * 2**20, None], "restarts": [4.0, None]}
    one["gpus"] = {"util": [61.4, None], "vram_used": [2.0**30, None], "vram_total": [2.0**33, None]}
    one["gpus"] |= {"temperature": [58.5, None], "power": [301.2, None]}
    found = {"times": ["2026-01-31T12:00:00Z", "2026-01-31T12:01:00Z"], "versions": [one]}
    first, second = make_system_rows(found)
    own = ("v2", "2", "0.75", "4.00", "1 GiB", "2 GiB", "3 MiB", "4")
    assert first[1:] == (*own, "61 %", "1 GiB", "8 GiB", "58 °C", "301 W")
    assert second[1:] == ("v2", *["-"] * 12)
    assert len(choose_columns(found)) == len(first)
    without = found | {"versions": [one | {"gpus": None}]}
    assert next(make_system_rows(without))[1:] == own
    both = found | {"versions": [one, one | {"gpus": None}]}
    assert list(make_system_rows(both))[1][-5:] == ("-",) * 5
    bare = found | {"versions": [one | {"gpus": None, "disk_used": [None] * 2, "restarts": [None] * 2}]}
    assert choose_columns(bare) == COLUMNS and next(make_system_rows(bare))[1:] == own[:-2]
