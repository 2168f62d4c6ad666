"""Long work on the metrics store: cut off anywhere it goes on, and nobody waits for it."""

from __future__ import annotations

import threading
import time
from contextlib import suppress

import pytest

from serai.domain.window import Clock, SeriesKey
from serai.store import metrics_deletion, metrics_rollup
from serai.store.database import Database
from serai.store.metrics import load_requests, prune_metrics, roll_up, take_window, take_windows
from serai.store.metrics_buckets import put_buckets
from serai.store.metrics_figures import Figures
from serai.store.metrics_series import number_series, spread
from serai.telemetry.fold import make_window
from tests.store.metrics_oracle import DAY, HOUR, SHORT, Gateway, assert_answer, make_summary


class Killing:
    """Stands where a roll-up makes a pause, and kills it at the one of that number."""

    def __init__(self, parts: int) -> None:
        self._left = parts

    def __call__(self, _seconds: float) -> None:
        self._left -= 1
        if not self._left:
            raise KeyboardInterrupt


def test_a_roll_up_that_is_cut_off_goes_on_where_it_was(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes late meanwhile counts once, for series that are done and for those that are not."""
    gateway = Gateway()
    on_time, late = gateway.serve(300, DAY, 3 * HOUR, seed=1), gateway.serve(300, DAY, 3 * HOUR, seed=2)
    take_windows(db, on_time)
    monkeypatch.setattr(metrics_rollup, "_BATCH", 7)
    now, starts = DAY + 26 * HOUR, set()
    for place, parts in enumerate([1, 4, 12, 3, 30]):
        monkeypatch.setattr(metrics_rollup.time, "sleep", Killing(parts))
        with suppress(KeyboardInterrupt):
            roll_up(db, now)
        take_windows(db, late[place::5])
        starts |= {window.start for window in late[place::5]}
        so_far = gateway.requests[:300] + [r for r in gateway.requests[300:] if r.at // 10 * 10 in starts]
        for interval_s in (900, 3600, 86400):
            assert_answer(load_requests(db, "digits", DAY, DAY + 4 * HOUR, interval_s), so_far)
    monkeypatch.undo()
    roll_up(db, now)
    for interval_s in (900, 3600, 86400):
        assert_answer(load_requests(db, "digits", DAY, DAY + 4 * HOUR, interval_s), gateway.requests)


def test_nobody_waits_for_a_long_roll_up_or_prune(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows are taken and questions answered while many thousand buckets are summed up and deleted."""
    monkeypatch.setattr(metrics_rollup, "_ROWS", 200)
    monkeypatch.setattr(metrics_deletion, "_ROWS", 200)
    with db.write():
        keys = [SeriesKey("big", 1, f"r{number}", "2xx", Clock.TOTAL) for number in range(40)]
        whole = spread(keys[0])[-1]
        figures = Figures()
        figures.add_summary(make_summary([0.1] * 10))
        numbers = number_series(db, [*keys, whole])
        minutes = range(int(DAY.timestamp()), int(DAY.timestamp()) + 7200, 60)
        put_buckets(db, {(number, 60, at): figures for number in numbers.values() for at in minutes})

    def work() -> None:
        roll_up(db, DAY + 30 * HOUR)
        prune_metrics(db, DAY + 30 * HOUR, SHORT)

    worker = threading.Thread(target=work)
    sequence, longest_s, began = 0, 0.0, time.monotonic()
    worker.start()
    while worker.is_alive():
        sequence += 1
        asked = time.monotonic()
        take_window(db, make_window("g", sequence, DAY.timestamp(), 10.0, {keys[0]: make_summary([0.1])}))
        found = load_requests(db, "big", DAY, DAY + 2 * HOUR, 3600)
        longest_s = max(longest_s, time.monotonic() - asked)
        assert found.total[Clock.TOTAL].count == 120 * 10 + sequence
    worker.join()
    took_s = time.monotonic() - began
    assert sequence >= 10
    assert longest_s < took_s / 2
    assert load_requests(db, "big", DAY, DAY + 2 * HOUR, 60).interval_s == 3600
