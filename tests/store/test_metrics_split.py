"""What requests split into, against plain counting of the same requests, before and after roll-up."""

from __future__ import annotations

from datetime import timedelta

import pytest

from serai.store.database import Database
from serai.store.metrics import load_requests, roll_up, take_windows
from serai.store.metrics_split import count_by_status, list_replicas
from tests.store.metrics_oracle import DAY, HOUR, Gateway


@pytest.mark.parametrize("rolled", [False, True])
def test_replicas_and_statuses_are_those_of_the_requests(db: Database, rolled: bool) -> None:
    gateway = Gateway()
    take_windows(db, gateway.serve(600, DAY, 5 * HOUR))
    if rolled:
        roll_up(db, DAY + 4 * HOUR)
    start, end = DAY + timedelta(minutes=30), DAY + 3 * HOUR
    inside = [r for r in gateway.requests if start.timestamp() <= r.at < end.timestamp()]
    assert set(list_replicas(db, "digits", start, end)) == {(r.version, r.replica) for r in inside}
    assert set(list_replicas(db, "digits", start, end, 2)) == {(2, r.replica) for r in inside if r.version == 2}
    assert list_replicas(db, "digits", DAY - HOUR, DAY) == []
    assert list_replicas(db, "ocr", start, end) == []
    counts = count_by_status(db, "digits", start, end, 1800)
    for status, column in counts.items():
        assert sum(column) == sum(r.status // 100 == int(status[0]) for r in inside)
        assert len(column) == len(load_requests(db, "digits", start, end, 1800).buckets)
    assert sum(map(sum, counts.values())) == len(inside)
    replica = inside[0].replica
    of_one = count_by_status(db, "digits", start, end, 3600, version=inside[0].version, replica=replica)
    assert sum(map(sum, of_one.values())) == sum(r.replica == replica for r in inside)
