"""Which windows of which gateway were taken: numbers as intervals, so that it stays exact for ever in a few rows."""

from __future__ import annotations

import peewee

from .database import Database
from .metrics_rows import TakenRow


def claim(db: Database, gateway: str, sequence: int) -> bool:
    """Note that a window is taken; False if it was before. Inside of the transaction that stores its figures."""
    before = _interval(db, gateway, TakenRow.first <= sequence, TakenRow.first.desc())
    if before and sequence <= before[1]:
        return False
    after = _interval(db, gateway, TakenRow.first == sequence + 1, TakenRow.first.asc())
    joins_before = before is not None and before[1] == sequence - 1
    if after:
        _delete(db, gateway, after[0])
    last = after[1] if after else sequence
    if before is not None and joins_before:
        ours = (TakenRow.gateway == gateway) & (TakenRow.first == before[0])
        TakenRow.update(last=last).where(ours).execute(db.peewee)
    else:
        TakenRow.insert(gateway=gateway, first=sequence, last=last).execute(db.peewee)
    return True


def _interval(db: Database, gateway: str, where: peewee.Expression, order: peewee.Ordering) -> tuple[int, int] | None:
    """Return the first interval (first, last) of the gateway that matches."""
    query = TakenRow.select(TakenRow.first, TakenRow.last).where(TakenRow.gateway == gateway, where)
    rows = list(query.order_by(order).limit(1).tuples().execute(db.peewee))
    return rows[0] if rows else None


def _delete(db: Database, gateway: str, first: int) -> None:
    TakenRow.delete().where(TakenRow.gateway == gateway, TakenRow.first == first).execute(db.peewee)
