"""The metrics store against plain arithmetic on the same requests: exact counts, near percentiles, any history."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from serai.domain.errors import Invalid
from serai.domain.window import Clock, Window
from serai.store.database import Database
from serai.store.metrics import (
    Retention,
    delete_metrics,
    dump_metrics,
    load_requests,
    prune_metrics,
    roll_up,
    take_window,
    take_windows,
)
from serai.store.metrics_answer import PERCENTILES
from serai.store.metrics_rows import BucketRow, SeriesRow, TakenRow
from serai.telemetry.fold import Folder
from tests.store.metrics_oracle import DAY, HOUR, SHORT, Gateway, Request, assert_answer, count_request, make_instants
from tests.telemetry.loads import LOADS


@pytest.fixture
def gateway() -> Gateway:
    return Gateway()


def test_any_range_interval_and_filter(db: Database, gateway: Gateway) -> None:
    take_windows(db, gateway.serve(1200, DAY, 5 * HOUR))
    roll_up(db, DAY + 4 * HOUR)
    requests = gateway.requests
    for start, end, interval_s in [
        (DAY, DAY + 5 * HOUR, 3600),
        (DAY, DAY + 5 * HOUR, 86400),
        (DAY + timedelta(minutes=7), DAY + timedelta(minutes=218), 900),
        (DAY + timedelta(minutes=61), DAY + timedelta(minutes=62), 60),
        (DAY - HOUR, DAY + 10 * HOUR, 21600),
    ]:
        assert_answer(load_requests(db, "digits", start, end, interval_s), requests)
    span = (DAY, DAY + 5 * HOUR, 1800)
    assert_answer(load_requests(db, "digits", *span, version=2), [r for r in requests if r.version == 2])
    assert_answer(load_requests(db, "digits", *span, status="5xx"), [r for r in requests if r.status == 503])
    replica = "digits-v1-2"
    assert_answer(load_requests(db, "digits", *span, replica=replica), [r for r in requests if r.replica == replica])
    both = [r for r in requests if r.replica == replica and r.status == 200]
    assert_answer(load_requests(db, "digits", *span, replica=replica, status="2xx"), both)
    assert_answer(load_requests(db, "digits", *span, version=2, replica=replica), [])


def test_no_requests_are_told_apart_from_fast_ones(db: Database) -> None:
    found = load_requests(db, "digits", DAY, DAY + timedelta(minutes=2), 60)
    nothing = {"count": 0, "avg": None, "max": None} | {f"p{percent}": None for percent in PERCENTILES}
    clocks = nothing | {"bytes_in": 0, "bytes_out": 0, "first_byte": nothing, "queue": nothing}
    assert dump_metrics(found) == {
        "interval": 60,
        "from": "2026-01-01T00:00:00Z",
        "to": "2026-01-01T00:02:00Z",
        "total": clocks,
        "buckets": [{"at": "2026-01-01T00:00:00Z"} | clocks, {"at": "2026-01-01T00:01:00Z"} | clocks],
    }


def test_a_window_is_taken_once_in_whatever_order_they_come(db: Database, gateway: Gateway) -> None:
    windows = gateway.serve(300, DAY, timedelta(minutes=10))
    twice = windows * 2
    random.Random(1).shuffle(twice)
    assert sum(take_window(db, window) for window in twice) == len(windows)
    assert_answer(load_requests(db, "digits", DAY, DAY + HOUR, 300), gateway.requests)
    with db.read():
        rows = list(TakenRow.select(TakenRow.first, TakenRow.last).tuples().execute(db.peewee))
    assert rows == [(1, len(windows))]  # what is known of them does not grow


def test_two_gateways_count_apart_with_the_same_numbers(db: Database) -> None:
    gateways = [Gateway("a"), Gateway("b")]
    for seed, gateway in enumerate(gateways):
        take_windows(db, gateway.serve(50, DAY, timedelta(minutes=1), seed))
    assert_answer(load_requests(db, "digits", DAY, DAY + HOUR, 60), gateways[0].requests + gateways[1].requests)


def test_a_transaction_that_fails_leaves_neither_figures_nor_the_note(db: Database, gateway: Gateway) -> None:
    windows = gateway.serve(50, DAY, timedelta(minutes=1))

    class Stop(Exception):
        pass

    with pytest.raises(Stop), db.write():
        take_windows(db, windows)
        raise Stop
    assert load_requests(db, "digits", DAY, DAY + HOUR, 60).total[Clock.TOTAL].count == 0
    assert take_windows(db, windows) == windows
    assert_answer(load_requests(db, "digits", DAY, DAY + HOUR, 60), gateway.requests)


def test_late_windows_land_where_they_belong(db: Database, gateway: Gateway) -> None:
    on_time = gateway.serve(300, DAY, 30 * HOUR, seed=1)
    late = gateway.serve(300, DAY, 30 * HOUR, seed=2)
    take_windows(db, on_time)
    roll_up(db, DAY + 26 * HOUR)
    take_windows(db, late[::2])
    roll_up(db, DAY + 40 * HOUR)
    take_windows(db, late[1::2])
    for interval_s in (900, 3600, 86400):
        assert_answer(load_requests(db, "digits", DAY, DAY + 31 * HOUR, interval_s), gateway.requests)


def test_rolling_up_twice_or_with_a_clock_set_back_changes_nothing(db: Database, gateway: Gateway) -> None:
    take_windows(db, gateway.serve(300, DAY, 3 * HOUR))
    assert roll_up(db, DAY + 30 * HOUR) > 0
    assert roll_up(db, DAY + 30 * HOUR) == 0
    assert roll_up(db, DAY - 30 * HOUR) == 0
    assert_answer(load_requests(db, "digits", DAY, DAY + 5 * HOUR, 3600), gateway.requests)


def test_nothing_is_rolled_up_before_its_time(db: Database, gateway: Gateway) -> None:
    take_windows(db, gateway.serve(200, DAY, 3 * HOUR))
    roll_up(db, DAY + HOUR + timedelta(minutes=20))
    with db.read():
        rolled = list(BucketRow.select(BucketRow.step, BucketRow.at).tuples().execute(db.peewee))
    ends = {step: max(at + step for other, at in rolled if other == step) for step in {step for step, _ in rolled}}
    midnight = DAY.timestamp()
    assert (ends[900], ends[3600]) == (midnight + 4500, midnight + 3600)
    assert 86400 not in ends


def test_a_clock_that_jumped_ahead_costs_nothing_but_speed(db: Database, gateway: Gateway) -> None:
    roll_up(db, DAY + timedelta(days=4000))
    take_windows(db, gateway.serve(300, DAY, 3 * HOUR))
    roll_up(db, DAY + 5 * HOUR)
    for interval_s in (60, 900, 3600, 86400):
        assert_answer(load_requests(db, "digits", DAY, DAY + 5 * HOUR, interval_s), gateway.requests)


def test_retention_drops_detail_and_no_count(db: Database, gateway: Gateway) -> None:
    take_windows(db, gateway.serve(800, DAY, 6 * HOUR))
    now = DAY + 6 * HOUR
    assert prune_metrics(db, now, SHORT) == 0  # nothing is rolled up yet: nothing may go
    roll_up(db, now + timedelta(minutes=2))
    assert prune_metrics(db, now, SHORT) > 0
    by_minute = load_requests(db, "digits", now - HOUR, now, 60)
    assert (by_minute.interval_s, len(by_minute.buckets)) == (60, 60)
    assert_answer(by_minute, gateway.requests)
    older = load_requests(db, "digits", DAY + timedelta(minutes=10), now, 60)
    assert (older.interval_s, older.start_at) == (3600, DAY)  # the finest that is still known there
    assert_answer(older, gateway.requests)
    assert prune_metrics(db, now, SHORT) == 0


def test_a_window_older_than_all_that_is_kept_is_taken_and_forgotten(db: Database, gateway: Gateway) -> None:
    now = DAY + timedelta(days=30)
    roll_up(db, now)
    prune_metrics(db, now, SHORT)
    assert take_windows(db, gateway.serve(10, DAY, HOUR))
    assert load_requests(db, "digits", DAY, DAY + HOUR, 86400).total[Clock.TOTAL].count == 0
    assert count_rows(db)[1] == 0


def test_a_late_window_counts_at_the_levels_that_are_kept(db: Database, gateway: Gateway) -> None:
    now = DAY + 6 * HOUR
    roll_up(db, now)
    prune_metrics(db, now, SHORT)
    take_windows(db, gateway.serve(100, DAY, HOUR))
    assert_answer(load_requests(db, "digits", DAY, now, 3600), gateway.requests)


def test_series_without_figures_go(db: Database, gateway: Gateway) -> None:
    take_windows(db, gateway.serve(100, DAY, HOUR))
    now = DAY + timedelta(days=30)
    roll_up(db, now)
    prune_metrics(db, now, SHORT)
    assert count_rows(db) == (0, 0)


def test_deletion_of_a_version_and_of_a_deployment(db: Database, gateway: Gateway) -> None:
    other = Gateway("h", deployment="other")
    take_windows(db, gateway.serve(200, DAY, HOUR) + other.serve(20, DAY, HOUR))
    roll_up(db, DAY + 2 * HOUR)
    delete_metrics(db, "digits", 1)
    left = [r for r in gateway.requests if r.version == 2]
    assert_answer(load_requests(db, "digits", DAY, DAY + HOUR, 900), left)
    delete_metrics(db, "digits")
    assert load_requests(db, "digits", DAY, DAY + HOUR, 900).total[Clock.TOTAL].count == 0
    assert_answer(load_requests(db, "other", DAY, DAY + HOUR, 900), other.requests)
    delete_metrics(db, "other")
    assert count_rows(db) == (0, 0)


def count_rows(db: Database) -> tuple[int, int]:
    with db.read():
        series, buckets = (len(list(row.select().tuples().execute(db.peewee))) for row in (SeriesRow, BucketRow))
    return series, buckets


@pytest.mark.parametrize(
    ("end", "values", "complaint"),
    [
        (DAY + HOUR, {"interval_s": 120}, "the interval 120 is not one of 60, 300"),
        (DAY - HOUR, {"interval_s": 60}, "ends .* before it starts"),
        (DAY + HOUR, {"interval_s": 60, "status": "200"}, "'200' is not a class"),
        (DAY + timedelta(days=365), {"interval_s": 60}, "525600 buckets of 60 s"),
    ],
)
def test_what_cannot_be_answered_is_refused(
    db: Database, end: datetime, values: dict[str, int], complaint: str
) -> None:
    with pytest.raises(Invalid, match=complaint):
        load_requests(db, "digits", DAY, end, **values)


def test_gateways_send_while_others_read_roll_up_and_prune(url: str, open_database: Callable[[str], Database]) -> None:
    gateways = [Gateway(f"g{number}") for number in range(3)]
    sent = [gateway.serve(200, DAY, 3 * HOUR, seed) for seed, gateway in enumerate(gateways)]
    stop = threading.Event()
    faults: list[BaseException] = []

    def run(work: Callable[[Database], None]) -> threading.Thread:
        def guarded() -> None:
            try:
                work(open_database(url))  # a server of its own
            except BaseException as error:
                faults.append(error)

        thread = threading.Thread(target=guarded)
        thread.start()
        return thread

    def send(windows: list[Window]) -> Callable[[Database], None]:
        batches = [windows[i : i + 2] for i in range(0, len(windows), 2)]
        return lambda db: [take_windows(db, batch) for batch in (*batches, *batches[:5])] and None

    def disturb(db: Database) -> None:
        hours = iter(range(1, 10**6))
        while not stop.is_set():
            roll_up(db, DAY + next(hours) * HOUR / 4)
            counts = load_requests(db, "digits", DAY, DAY + 3 * HOUR, 900)
            assert counts.total[Clock.TOTAL].count == sum(b[Clock.TOTAL].count for _, b in counts.buckets)

    open_database(url)
    others = run(disturb)
    for thread in [run(send(windows)) for windows in sent]:
        thread.join()
    stop.set()
    others.join()
    assert not faults
    requests = [request for gateway in gateways for request in gateway.requests]
    for interval_s in (60, 900, 3600, 86400):
        assert_answer(load_requests(open_database(url), "digits", DAY, DAY + 3 * HOUR, interval_s), requests)


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Database]:
    database = Database.open(f"sqlite:///{tmp_path}/metrics.db")
    yield database
    database.close()


@pytest.mark.parametrize("name", LOADS)
def test_percentiles_of_any_load_over_any_range(sqlite: Database, name: str) -> None:
    """However minutes, quarters and hours are cut and put together again, an exact sort says the same."""
    rng = random.Random(name)
    times = LOADS[name](np.random.default_rng(11), 1200).tolist()
    rng.shuffle(times)
    gateway, folder = Gateway(), Folder()
    instants = make_instants(rng, DAY, 6 * HOUR, 150)
    for total_s in times:
        request = Request(instants(), 1, rng.choice("abc"), rng.choice([200, 503]), total_s, total_s, 1, 2)
        count_request(folder, gateway.deployment, request)
        gateway.requests.append(request)
    take_windows(sqlite, [gateway.number(at, series) for at, series in folder.take(0.0, all=True)])
    for hours in (0, 2, 5):
        roll_up(sqlite, DAY + hours * HOUR)
        start = DAY + timedelta(minutes=rng.randrange(300))
        span = (start, start + timedelta(minutes=rng.randrange(1, 300)), rng.choice([900, 1800, 3600, 21600]))
        assert_answer(load_requests(sqlite, "digits", *span), gateway.requests)
        own = [r for r in gateway.requests if r.replica == "a" and r.status == 503]
        assert_answer(load_requests(sqlite, "digits", *span, replica="a", status="5xx"), own)


def test_a_random_history_keeps_every_count(sqlite: Database) -> None:
    """Windows late and doubled, roll-ups and pruning by a wandering clock: no count is ever lost or doubled."""
    rng = random.Random(5)
    gateway = Gateway()
    windows = gateway.serve(900, DAY, 48 * HOUR)
    rng.shuffle(windows)
    keep = Retention({60: 4 * 3600, 900: 12 * 3600, 3600: 30 * 86400, 86400: 60 * 86400})
    while windows:
        batch = [windows.pop() for _ in range(min(12, len(windows)))]
        take_windows(sqlite, batch + batch[:3])
        now = DAY + rng.uniform(0, 60) * HOUR
        rng.choice([roll_up, lambda db, now: prune_metrics(db, now, keep)])(sqlite, now)
    for interval_s in (3600, 21600, 86400):
        assert_answer(load_requests(sqlite, "digits", DAY, DAY + 48 * HOUR, interval_s), gateway.requests)
