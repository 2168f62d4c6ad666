"""Step 9 of the tables: a database of before answers as one that had sums from the first window on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from serai.domain.window import Clock
from serai.store.database import Database
from serai.store.metrics import load_requests, roll_up, take_windows
from serai.store.metrics_split import count_by_status, list_replicas
from tests.store.metrics_oracle import DAY, HOUR, Gateway, assert_answer

_NEW = "(replica = ' ' OR status = '') AND NOT (replica = ' ' AND status = '')"
_BACK = (
    f"DELETE FROM metric_bucket WHERE series IN (SELECT id FROM metric_series WHERE {_NEW})",
    f"DELETE FROM metric_series WHERE {_NEW}",
    "UPDATE metric_series SET replica = '' WHERE status = ''",
    "DROP INDEX metric_series_sums",
    "DELETE FROM migration WHERE number = 9",
)


def test_sums_are_made_of_what_was_counted_before(url: str, open_database: Callable[[str], Database]) -> None:
    gateway = Gateway()
    old = open_database(url)
    take_windows(old, gateway.serve(150, DAY, 3 * HOUR))
    roll_up(old, DAY + 2 * HOUR)
    with old.write():
        for statement in _BACK:
            old.peewee.execute_sql(statement)
    assert load_requests(old, "digits", DAY, DAY + HOUR, 60).total[Clock.TOTAL].count == 0
    db = open_database(url)
    take_windows(db, gateway.serve(50, DAY, 3 * HOUR, seed=1))  # late ones are added to the sums that were made
    requests, span = gateway.requests, (DAY + timedelta(minutes=7), DAY + 3 * HOUR, 900)
    for replica in (None, "digits-v1-2"):
        for status in (None, "5xx"):
            chosen = [
                r
                for r in requests
                if replica in {None, r.replica} and (status is None or f"{r.status // 100}xx" == status)
            ]
            assert_answer(load_requests(db, "digits", *span, replica=replica, status=status), chosen)
    inside = [r for r in requests if r.at >= span[0].timestamp()]
    assert list_replicas(db, "digits", *span[:2]) == sorted(
        {(r.version, r.replica) for r in inside}, key=lambda owner: (-owner[0], owner[1])
    )
    failed = count_by_status(db, "digits", *span)["5xx"]
    assert sum(failed) == sum(r.status == 503 for r in inside)
