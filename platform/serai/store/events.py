"""The timeline: what happened to deployments and versions, in the order in which it became true."""

from __future__ import annotations

from datetime import datetime

import peewee

from serai.domain.deployment import Event

from .database import Database
from .rows import EventRow


def add_event(
    db: Database,
    at: datetime,
    kind: str,
    deployment: str,
    version: int | None = None,
    replica: str = "",
    text: str = "",
    actor: str = "",
) -> Event:
    """Append a line and return it. `actor` is a login, "" for Serai itself. Ids grow in the order of commits."""
    text = _make_storable(text)
    with db.write():
        row = EventRow.insert(
            at=at, kind=kind, deployment=deployment, version=version, replica=replica, text=text, actor=actor
        )
        return Event(row.execute(db.peewee), at, kind, deployment, version, replica, text, actor)


def list_events(
    db: Database, deployment: str | None = None, after_id: int = 0, limit: int = 100, actor: str | None = None
) -> list[Event]:
    """Return at most `limit` events with ids above `after_id`, newest first; of all deployments, by all, where None."""
    query = EventRow.select().where(EventRow.id > after_id)
    if deployment is not None:
        query = query.where(EventRow.deployment == deployment)
    if actor is not None:
        query = query.where(EventRow.actor == actor)
    return _load(db, query.order_by(EventRow.id.desc()).limit(limit))


def events_after(db: Database, id: int) -> list[Event]:
    """Return every event with an id above `id`, oldest first. None is missed: a lower id never appears later."""
    return _load(db, EventRow.select().where(EventRow.id > id).order_by(EventRow.id))


def last_event_id(db: Database) -> int:
    """Return the id of the newest event, 0 where there is none."""
    with db.read():
        return int(EventRow.select(peewee.fn.MAX(EventRow.id)).scalar(db.peewee) or 0)


def prune_events(db: Database, before: datetime) -> int:
    """Delete the events from before that instant and return how many they were."""
    with db.write():
        return int(EventRow.delete().where(EventRow.at < before).execute(db.peewee))


def _load(db: Database, query: peewee.ModelSelect[EventRow]) -> list[Event]:
    with db.read():
        rows = query.tuples().execute(db.peewee)
        return [Event(*row) for row in rows]


def _make_storable(text: str) -> str:
    """Return `text` without what PostgreSQL (NUL) and UTF-8 (lone surrogates) refuse: logs may hold anything."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()
