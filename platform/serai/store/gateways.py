"""Which gateways follow the routes: what a server that is started again has to know of them before they ask."""

from __future__ import annotations

from collections.abc import Collection

from .database import Database
from .rows import GatewayRow


def list_gateways(db: Database) -> list[str]:
    """Return the ids of all gateways that are remembered."""
    with db.read():
        return [id for (id,) in GatewayRow.select(GatewayRow.id).tuples().execute(db.peewee)]


def add_gateway(db: Database, id: str) -> None:
    """Remember a gateway; nothing happens if it is remembered."""
    with db.write():
        GatewayRow.insert(id=id).on_conflict_ignore().execute(db.peewee)


def forget_gateways(db: Database, ids: Collection[str]) -> None:
    """Forget gateways; those that are not remembered are fine."""
    if ids:
        with db.write():
            GatewayRow.delete().where(GatewayRow.id.in_(list(ids))).execute(db.peewee)
