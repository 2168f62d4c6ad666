"""What stored figures of requests and of systems weigh, by what a day of them holds."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.metrics_history import DAY_S, NAME, RATE, REPLICAS
from benchmarks.metrics_rows import Row, make_row
from serai.domain.observation import GpuUsage, Usage
from serai.store.database import Database
from serai.store.usage import roll_up_usage, take_usage


def size_of(db: Database) -> int:
    """Return the bytes in use of the file."""
    with db.read():
        pages, free, size = (
            db.peewee.execute_sql(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "freelist_count", "page_size")
        )
    return int((pages - free) * size)


def measure_growth(db: Database, empty: int) -> list[Row]:
    """Return the bytes of a day of figures, by requests and by replica; minutes and what is summed up of them."""
    sql = "SELECT SUM(LENGTH(digest) + 30), MIN(at), MAX(at) FROM metric_bucket WHERE step = ?"
    with db.read():
        rows = {step: db.peewee.execute_sql(sql, (step,)).fetchone() for step in (60, 900, 3600, 86400)}
    share = (size_of(db) - empty) / sum(written for written, _, _ in rows.values())  # what trees of pages add
    day = {step: share * written * DAY_S / (last - first + step) for step, (written, first, last) in rows.items()}
    million, later = RATE * DAY_S / 1e6, day[900] + day[3600] + day[86400]
    return [
        make_row("figures by the minute, of a million requests", day[60] / million / 1e3, "", "kB"),
        make_row("figures by quarter, hour and day, of a million requests", later / million / 1e3, "", "kB"),
        make_row("figures by the minute, of a replica-day", day[60] / REPLICAS / 1e6, "", "MB"),
        make_row("figures by quarter, hour and day, of a replica-day", later / REPLICAS / 1e6, "", "MB"),
    ]


def measure_usage_growth(folder: Path) -> list[Row]:
    """Return the bytes of a day's samples of a replica with one GPU, and of their sums."""
    rng = random.Random(2)
    midnight = datetime(2026, 1, 1, tzinfo=UTC)
    db = Database.open(f"sqlite:///{folder}/usage.db")
    try:
        empty = size_of(db)
        for hour in range(24):
            samples = [make_sample(rng, midnight + timedelta(seconds=hour * 3600 + 10 * n + 5)) for n in range(360)]
            take_usage(db, samples, {f"{NAME}-v1.1": f"{NAME}-v1"})
        raw = size_of(db) - empty
        roll_up_usage(db, midnight + timedelta(days=1, minutes=2))
        rolled = size_of(db) - empty - raw
    finally:
        db.close()
    return [
        make_row("samples of a replica-day, with a GPU", raw / 1e6, "", "MB"),
        make_row("their sums by the minute, quarter, hour and day", rolled / 1e6, "", "MB"),
    ]


def make_sample(rng: random.Random, at: datetime) -> Usage:
    gpu = GpuUsage("GPU-1", "H100", rng.random() * 100, rng.randrange(2**36), 2**36)
    return Usage(f"{NAME}-v1.1", at, rng.random(), 0.1, 4.0, rng.randrange(2**30), 2**33, (gpu,))
