"""Samples of replicas against plain arithmetic on the same samples: any range and interval, and gaps that stay."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serai.domain.errors import Invalid
from serai.domain.observation import GpuUsage, Usage
from serai.store.database import Database
from serai.store.usage import (
    SystemMetrics,
    delete_usage,
    dump_system,
    load_usage,
    prune_usage,
    roll_up_usage,
    take_usage,
)
from serai.store.usage_figures import UsageFigures, decode, encode, make_figures
from serai.store.usage_rows import UsageBucketRow, UsageSeriesRow

DAY = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
SHORT = {10: 3600, 60: 7200, 900: 86400, 3600: 86400, 86400: 10 * 86400}
GIB = 2**30


def make_samples(count: int, start: datetime = DAY, replica: str = "m-v1.1", seed: int = 0) -> list[Usage]:
    """Return samples 10 s apart; one in five is missing, one in five lacks its CPU."""
    chance = random.Random(seed)
    return [
        Usage(
            replica,
            start + timedelta(seconds=10 * place + 5),
            None if chance.random() < 0.2 else chance.random() * 2,
            0.1,
            4.0,
            chance.randrange(GIB),
            8 * GIB,
        )
        for place in range(count)
        if chance.random() > 0.2
    ]


def take(db: Database, samples: Sequence[Usage]) -> None:
    take_usage(db, samples, {s.replica: s.replica.partition(".")[0] for s in samples})


def assert_curves(found: SystemMetrics, samples: Sequence[Usage], replica: str = "m-v1.1") -> None:
    """Compare CPU and memory of every interval with the samples themselves."""
    (curves,) = [one.curves for one in found.replicas if one.replica == replica]
    for place, at in enumerate(found.times):
        until = at + timedelta(seconds=found.interval_s)
        inside = [s for s in samples if at <= s.at < until and found.start_at <= s.at < found.end_at]
        for name, values in {
            "cpu_user": [s.cpu_user for s in inside if s.cpu_user is not None],
            "memory_used": [s.memory_used_bytes for s in inside if s.memory_used_bytes is not None],
        }.items():
            if values:
                assert curves.avg[name][place] == pytest.approx(sum(values) / len(values))
                assert curves.max[name][place] == max(values)
            else:
                assert curves.avg[name][place] is curves.max[name][place] is None


@pytest.mark.parametrize("rolled", [None, 1, 3, 6], ids=lambda hours: f"rolled-up-{hours}")
def test_any_range_and_interval(db: Database, rolled: int | None) -> None:
    samples = make_samples(1800)
    for first in range(0, len(samples), 200):
        take(db, samples[first : first + 200])
    if rolled:
        roll_up_usage(db, DAY + rolled * HOUR)
        assert roll_up_usage(db, DAY + rolled * HOUR) == 0
    for start, end, interval_s in [
        (DAY, DAY + HOUR, 10),
        (DAY, DAY + 5 * HOUR, 60),
        (DAY + timedelta(minutes=7), DAY + timedelta(minutes=218), 900),
        (DAY - HOUR, DAY + 7 * HOUR, 3600),
        (DAY, DAY + 5 * HOUR, 86400),
    ]:
        assert_curves(load_usage(db, "m", start, end, interval_s), samples)


def test_a_gap_is_a_gap_and_a_zero_is_a_zero(db: Database) -> None:
    at = DAY + timedelta(seconds=5)
    take(db, [Usage("m-v1.1", at, 0.0, None, None, 0, None), Usage("m-v1.2", at)])
    found = dump_system(load_usage(db, "m", DAY, DAY + timedelta(seconds=20), 10))
    (only,) = found["replicas"]
    assert (only["cpu_user"], only["cpu_system"], only["memory_used"]) == ([0.0, None], [None, None], [0.0, None])
    assert found["versions"][0]["replicas"] == [1, 0]
    assert found["versions"][0]["gpus"] is None


def test_a_sample_told_again_changes_nothing(db: Database) -> None:
    sample = Usage("m-v1.1", DAY, 1.0)
    for _ in range(3):
        take(db, [sample])
    found = load_usage(db, "m", DAY, DAY + timedelta(seconds=40), 10)
    assert found.replicas[0].curves.avg["cpu_user"] == (1.0, None, None, None)


def test_replicas_and_gpus_apart_and_together(db: Database) -> None:
    def use(replica: str, util: float, *ids: str) -> Usage:
        return Usage(replica, DAY, 1.0, gpus=tuple(GpuUsage(id, "A100", util, 10 * GIB, 80 * GIB) for id in ids))

    take(db, [use("m-v1.1", 40.0, "0", "1"), use("m-v1.2", 70.0, "2"), use("m-v2.1", 5.0)])
    found = load_usage(db, "m", DAY, DAY + timedelta(seconds=10), 10)
    assert [(one.version, one.replica, [gpu.id for gpu in one.gpus]) for one in found.replicas] == [
        (1, "m-v1.1", ["0", "1"]),
        (1, "m-v1.2", ["2"]),
        (2, "m-v2.1", []),
    ]
    first, second = found.versions()
    assert (first.own["cpu_user"], first.replicas) == ((2.0,), (2,))
    assert (first.gpus["util"], first.gpus["vram_used"], first.gpus["power"]) == ((50.0,), (30 * GIB,), (None,))
    assert second.gpus == {}
    assert load_usage(db, "m", DAY, DAY + HOUR, 60, replica="m-v1.2").versions()[0].own["cpu_user"][0] == 1.0
    assert [one.version for one in load_usage(db, "m", DAY, DAY + HOUR, 60, version=2).replicas] == [2]


def test_every_figure_of_a_sample_is_kept(db: Database) -> None:
    """Temperature as a mean, power and disk as sums; of restarts the greatest counts, as they only grow."""

    def use(replica: str, seconds: int, heat: float, restarts: int) -> Usage:
        gpu = GpuUsage("0", "H100", 40.0, GIB, 80 * GIB, heat, 300.0)
        at = DAY + timedelta(seconds=seconds)
        return Usage(replica, at, gpus=(gpu,), disk_used_bytes=GIB, disk_total_bytes=2 * GIB, restarts=restarts)

    take(db, [use("m-v1.1", 5, 50.0, 0), use("m-v1.1", 15, 60.0, 4), use("m-v1.2", 5, 80.0, 1)])
    found = dump_system(load_usage(db, "m", DAY, DAY + timedelta(minutes=2), 60))
    first, _ = found["replicas"]
    (gpu,) = first["gpus"]
    assert (gpu["temperature"], gpu["max"]["temperature"], gpu["power"]) == ([55.0, None], [60.0, None], [300.0, None])
    assert (first["disk_used"], first["restarts"], first["max"]["restarts"]) == ([GIB, None], [4, None], [4, None])
    (version,) = found["versions"]
    assert (version["disk_total"], version["restarts"]) == ([4 * GIB, None], [5, None])
    assert (version["gpus"]["temperature"], version["gpus"]["power"]) == ([67.5, None], [600.0, None])


def test_figures_of_before_are_read(db: Database) -> None:
    """What was stored before disk and restarts were measured says nothing of them."""
    assert encode(make_figures([0.5, 0.1, 2.0, 3.0, 4.0])) == encode(
        make_figures([0.5, 0.1, 2.0, 3.0, 4.0, *[None] * 3])
    )


def test_what_is_not_ours_is_not_kept(db: Database) -> None:
    assert take_usage(db, make_samples(3, replica="other.1"), {}) == 0
    with db.read():
        assert UsageSeriesRow.select().count(db.peewee) == 0


def test_pruning_keeps_what_is_not_rolled_up_and_answers_coarser(db: Database) -> None:
    samples = make_samples(2160)
    now = DAY + 6 * HOUR
    take(db, samples)
    assert prune_usage(db, now, SHORT) == 0
    assert_curves(load_usage(db, "m", DAY, now, 60), samples)
    roll_up_usage(db, now)
    assert prune_usage(db, now, SHORT) > 0
    found = load_usage(db, "m", DAY, now, 10)
    assert found.interval_s == 900
    assert_curves(found, samples)
    assert_curves(load_usage(db, "m", now - HOUR, now, 10), samples)


def test_nothing_is_left_of_what_is_deleted_or_too_old(db: Database) -> None:
    take(db, make_samples(5) + make_samples(5, replica="m-v2.1") + make_samples(5, replica="o-v1.1"))
    delete_usage(db, "m", 1)
    assert [one.replica for one in load_usage(db, "m", DAY, DAY + HOUR, 60).replicas] == ["m-v2.1"]
    delete_usage(db, "m")
    assert not load_usage(db, "m", DAY, DAY + HOUR, 60).replicas
    assert load_usage(db, "o", DAY, DAY + HOUR, 60).replicas
    later = DAY + timedelta(days=5000)
    roll_up_usage(db, later)
    prune_usage(db, later)
    with db.read():
        assert (UsageSeriesRow.select().count(db.peewee), UsageBucketRow.select().count(db.peewee)) == (0, 0)


@pytest.mark.parametrize(
    ("start", "end", "interval_s", "field"),
    [(DAY, DAY - HOUR, 60, "to"), (DAY, DAY + HOUR, 61, "interval"), (DAY, DAY + 40 * HOUR, 10, "interval")],
)
def test_a_question_that_makes_no_sense(
    db: Database, start: datetime, end: datetime, interval_s: int, field: str
) -> None:
    with pytest.raises(Invalid) as refused:
        load_usage(db, "m", start, end, interval_s)
    assert refused.value.field == field


VALUES = st.lists(st.none() | st.floats(0, 1e15), max_size=5)


@given(VALUES, VALUES)
def test_figures_come_back_from_their_bytes(first: list[float | None], second: list[float | None]) -> None:
    figures = make_figures(first)
    assert decode(encode(figures)).cells == figures.cells
    figures.add_all(make_figures(second))
    assert decode(encode(figures)).cells == figures.cells
    assert UsageFigures().average(0) is None


def test_a_day_of_a_replica_is_small(tmp_path: Path) -> None:
    """Half a megabyte of samples, which go after a day, and 0.2 of minutes: the numbers that the manual states."""
    path = tmp_path / "serai.db"
    db = Database.open(f"sqlite:///{path}")
    try:
        empty = size_of(db)
        take(db, make_samples(8640))
        raw = size_of(db) - empty
        roll_up_usage(db, DAY + timedelta(days=1, minutes=2))
        rolled = size_of(db) - empty - raw
        print(f"a replica-day: {raw / 1e3:.0f} kB of samples, {rolled / 1e3:.0f} kB of sums")
        assert raw < 800_000
        assert rolled < 350_000
    finally:
        db.close()


def size_of(db: Database) -> int:
    with db.read():
        (pages,) = db.peewee.execute_sql("PRAGMA page_count").fetchone()
        (size,) = db.peewee.execute_sql("PRAGMA page_size").fetchone()
    return int(pages * size)
